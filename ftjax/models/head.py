"""From hidden states to logits: the one place that knows how, for training, evaluation and
generation."""

from dataclasses import replace

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

from ftjax.models.config import ModelConfig


@flax.struct.dataclass
class Head:
  """The output matrix and what happens to its logits.

  kernel: [V, D] where it is the token table (tied), else [D, V]. bias: [V] or None. scale, cap: of
  ModelConfig.logits_scale and logits_cap. A tree whose leaves are kernel and bias.
  """

  kernel: jax.Array
  bias: jax.Array | None = None
  tied: bool = flax.struct.field(pytree_node=False, default=False)
  scale: float = flax.struct.field(pytree_node=False, default=1.0)
  cap: float = flax.struct.field(pytree_node=False, default=0.0)


def head(variables, config: ModelConfig) -> Head:
  """The head of a model's variables."""
  params = variables["params"]
  kept = Head(None, None, config.tied, config.logits_scale, config.logits_cap)
  if config.tied:
    return replace(kept, kernel=params["embed"]["tokens"])
  return replace(kept, kernel=params["head"]["kernel"], bias=params["head"].get("bias"))


def logits(hidden: jax.Array, head: Head) -> jax.Array:
  """float32 [..., V] from hidden [..., D]; the product runs in hidden's dtype and accumulates in
  float32."""
  axes = ((hidden.ndim - 1,), (1 if head.tied else 0,)), ((), ())
  kernel = head.kernel.astype(hidden.dtype)
  y = jax.lax.dot_general(hidden, kernel, axes, preferred_element_type=jnp.float32)
  if head.bias is not None:
    y += head.bias.astype(jnp.float32).reshape((1,) * (y.ndim - 1) + (-1,))
  if head.scale != 1:
    y *= head.scale
  return head.cap * jnp.tanh(y / head.cap) if head.cap else y


def times_slope(gradient: jax.Array, logits: jax.Array, head: Head) -> jax.Array:
  """The gradient of hidden @ kernel + bias, from that of the logits and the logits themselves."""
  if head.cap:
    gradient *= 1 - jnp.square(logits / head.cap)
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
