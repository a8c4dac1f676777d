"""From hidden states to logits: the one place that knows how, for training, evaluation and
generation."""

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

from ftjax.models.adapters import kinds
from ftjax.models.config import ModelConfig


@flax.struct.dataclass
class Head:
  """The output matrix and what happens to its logits.

  kernel: [V, D] where it is the token table or stands like it (tied), else [D, V]. bias: [V] or
  None. scale, cap, padding: of ModelConfig.logits_scale, logits_cap and vocab_padding. A tree whose
  leaves are kernel and bias.
  """

  kernel: jax.Array
  bias: jax.Array | None = None
  tied: bool = flax.struct.field(pytree_node=False, default=False)
  scale: float = flax.struct.field(pytree_node=False, default=1.0)
  cap: float = flax.struct.field(pytree_node=False, default=0.0)
  padding: int = flax.struct.field(pytree_node=False, default=0)


def head(variables, config: ModelConfig) -> Head:
  """The head of a model's variables, adapters worked in. One of its own may stand there by its rows
  (generate/fuse.py)."""
  params, c = kinds.effective(variables)["params"], config
  own = {} if c.tied else dict(params["head"])
  rows = params["embed"]["tokens"] if c.tied else own.pop("rows", None)
  mine = own if rows is None else own | {"kernel": rows}
  return Head(
    **mine, tied=rows is not None, scale=c.logits_scale, cap=c.logits_cap, padding=c.vocab_padding
  )


def logits(hidden: jax.Array, head: Head) -> jax.Array:
  """float32 [..., V] from hidden [..., D]; the product runs in hidden's dtype and accumulates in
  float32.

  Those of rows that pad the vocabulary are -inf: no softmax gives them anything, and nothing samples
  them.
  """
  axes = ((hidden.ndim - 1,), (1 if head.tied else 0,)), ((), ())
  kernel = head.kernel.astype(hidden.dtype)
  y = jax.lax.dot_general(hidden, kernel, axes, preferred_element_type=jnp.float32)
  if head.bias is not None:
    y += head.bias.astype(jnp.float32).reshape((1,) * (y.ndim - 1) + (-1,))
  if head.scale != 1:
    y *= head.scale
  if head.cap:
    y = head.cap * jnp.tanh(y / head.cap)
  if not head.padding:
    return y
  V = y.shape[-1]
  ids = jax.lax.broadcasted_iota(jnp.int32, y.shape, y.ndim - 1)
  return jnp.where(ids < V - head.padding, y, -jnp.inf)


def times_slope(gradient: jax.Array, logits: jax.Array, head: Head) -> jax.Array:
  """The gradient of hidden @ kernel + bias, from that of the logits and the logits themselves."""
  if head.cap:
    gradient *= jnp.maximum(1 - jnp.square(logits / head.cap), 0)  # of padding 0, not -inf
  return gradient if head.scale == 1 else gradient * head.scale


class HeadParameters(nn.Module):
  """Holds a head that is not tied; `head` reads it, so that the loss can take it in chunks of
  tokens."""

  config: ModelConfig

  @nn.compact
  def __call__(self) -> None:
    c = self.config
    self.param("kernel", nn.initializers.normal(0.02), (c.embed_width or c.D, c.V))
    if c.head_bias:
      self.param("bias", nn.initializers.zeros, (c.V,))
