"""The one decoder. Families differ only in the flags of ModelConfig and in the names of their
weights."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from ftjax.config import choice
from ftjax.models.adapters import kinds, low_rank
from ftjax.models.attention import Attention, View
from ftjax.models.cache import Cache, LayerCache, append
from ftjax.models.config import ModelConfig
from ftjax.models.layers import Norm, rope_table
from ftjax.models.mlp import MLP
from ftjax.parallel.mesh import BATCH, constrain

COLLECTIONS = dict.fromkeys(
  ("params", *low_rank.TRAINED, *low_rank.FROZEN), 0
)  # stacked over layers along axis 0
REMAT = ("none", "block", "dots")


class Block(nn.Module):
  """x -> x + attention(norm(x)) -> x + mlp(norm(x)), or both halves side by side
  (`residual="parallel"`)."""

  config: ModelConfig
  dtype: jnp.dtype
  attention: str
  dropout: float

  @nn.compact
  def __call__(self, x_BTD, view, rope, cache: LayerCache | None, start, train: bool):
    c = self.config
    attention = Attention(c, self.dtype, self.attention, self.dropout, name="attention")
    mlp = MLP(c, self.dtype, self.dropout, name="mlp")
    h_BTD = Norm(c.norm, c.norm_eps, name="attention_norm")(x_BTD)
    y_BTD, cache = attention(h_BTD, view, rope, cache, start, train)
    if c.residual == "parallel":
      x_BTD += y_BTD + mlp(h_BTD, train)
    else:
      x_BTD += y_BTD
      x_BTD += mlp(Norm(c.norm, c.norm_eps, name="mlp_norm")(x_BTD), train)
    return constrain(x_BTD, BATCH, None, None), cache


class Decoder(nn.Module):
  """Token ids to hidden states; `head` and `logits` take them to the vocabulary.

  The residual flow, with its leaf names:

    tokens -> embed/tokens (+ embed/positions) -> [ attention_norm -> attention -> + -> mlp_norm ->
    mlp -> + ] x L
           -> final_norm -> hidden -> head/kernel, or embed/tokens again where tied -> logits

  scan: one block traced once, with weights stacked along a leading axis of L (params/layers/...).
  Without it the blocks stand in a row (params/layer_0/...), which is how decoding with a cache is
  fastest: see `unstack`.
  """

  config: ModelConfig
  dtype: jnp.dtype = jnp.float32  # of the computation
  attention: str = "auto"
  remat: str = "none"  # what backward recomputes: "none" nothing, "dots" all but matrix products, "block" whole blocks
  dropout: float = 0.0  # of adapters
  scan: bool = True

  @nn.nowrap
  def apply(self, variables, *args, **kwargs):
    """nn.Module.apply, with the parameters that an adapter makes of the base's."""
    return super().apply(kinds.effective(variables), *args, **kwargs)

  @nn.compact
  def __call__(
    self,
    tokens_BT: jax.Array,
    positions_BT: jax.Array,
    segments_BT: jax.Array,
    cache: Cache | None = None,
    train: bool = False,
  ) -> tuple[jax.Array, Cache | None]:
    """Returns (hidden [B, T, D] after the last norm, the cache with these tokens appended).

    Segment 0 is padding; tokens see only earlier positions of their own segment
    (attention.visible).
    """
    c = self.config
    x_BTD = Embed(c, name="embed")(tokens_BT, positions_BT).astype(self.dtype)
    x_BTD = constrain(x_BTD, BATCH, None, None)
    rope = rope_table(c.rope, positions_BT) if c.rope else None
    start, k_segments, k_positions = None, segments_BT, positions_BT
    if cache is not None:
      start = cache.length
      k_segments = append(cache.segments, segments_BT, start)
      k_positions = append(cache.positions, positions_BT, start)
    view = View(segments_BT, positions_BT, k_segments, k_positions)
    x_BTD, layers = self._layers(x_BTD, view, rope, cache, start, train)
    if cache is not None:
      cache = Cache(layers, k_segments, k_positions, start + tokens_BT.shape[1])
    x_BTD = Norm(c.norm, c.norm_eps, name="final_norm")(x_BTD)
    if self.is_initializing() and not c.tied:
      Head(c, name="head")()
    return x_BTD, cache

  def _layers(self, x_BTD, view, rope, cache, start, train):
    block = Block
    if self.remat != "none":
      choice(self.remat, REMAT, "train.remat")
      policy = (
        jax.checkpoint_policies.dots_with_no_batch_dims_saveable if self.remat == "dots" else None
      )
      block = nn.remat(Block, prevent_cse=not self.scan, policy=policy, static_argnums=(6,))
    args = (self.config, self.dtype, self.attention, self.dropout)
    if not self.scan:
      caches = []
      for l in range(self.config.L):
        layer = cache.layers[l] if cache is not None else None
        x_BTD, layer = block(*args, name=f"layer_{l}")(x_BTD, view, rope, layer, start, train)
        caches.append(layer)
      return x_BTD, tuple(caches)
    if cache is not None:
      raise ValueError("decoding with a cache wants Decoder(scan=False) and unstacked variables")
    layers = nn.scan(
      block,
      variable_axes=COLLECTIONS,
      split_rngs={"params": True, "dropout": True},
      in_axes=nn.broadcast,
      length=self.config.L,
    )
    return layers(*args, name="layers")(x_BTD, view, rope, None, None, train)


class Embed(nn.Module):
  """Token vectors, with a learned vector for each absolute position where the model has them."""

  config: ModelConfig

  @nn.compact
  def __call__(self, tokens_BT: jax.Array, positions_BT: jax.Array) -> jax.Array:
    c = self.config
    init = nn.initializers.normal(0.02)
    x_BTD = jnp.take(self.param("tokens", init, (c.V, c.D)), tokens_BT, axis=0)
    if c.learned_positions:
      x_BTD += jnp.take(self.param("positions", init, (c.max_length, c.D)), positions_BT, axis=0)
    return x_BTD


class Head(nn.Module):
  """Holds the output matrix; `head` below reads it, so that the loss can take it in chunks of
  tokens."""

  config: ModelConfig

  @nn.compact
  def __call__(self) -> None:
    c = self.config
    self.param("kernel", nn.initializers.normal(0.02), (c.D, c.V))
    if c.head_bias:
      self.param("bias", nn.initializers.zeros, (c.V,))


def head(variables, config: ModelConfig) -> tuple[jax.Array, jax.Array | None]:
  """(kernel [V, D] or [D, V], bias [V] or None): [V, D] where the head is tied to the token table.

  Rows that no token has get a bias of -inf: no softmax gives them anything, and nothing samples
  them.
  """
  params = kinds.effective(variables)["params"]
  head = {"kernel": params["embed"]["tokens"]} if config.tied else params["head"]
  bias = head.get("bias")
  if config.vocab_padding:
    real = jnp.arange(config.V) < config.V - config.vocab_padding
    bias = jnp.where(real, 0.0 if bias is None else bias.astype(jnp.float32), -jnp.inf)
  return head["kernel"], bias


def logits(hidden: jax.Array, kernel: jax.Array, bias: jax.Array | None, tied: bool) -> jax.Array:
  """float32 [..., V] from hidden [..., D]; the product runs in hidden's dtype and accumulates in
  float32."""
  axes = ((hidden.ndim - 1,), (1 if tied else 0,)), ((), ())
  y = jax.lax.dot_general(
    hidden, kernel.astype(hidden.dtype), axes, preferred_element_type=jnp.float32
  )
  return y if bias is None else y + bias.astype(jnp.float32).reshape((1,) * (y.ndim - 1) + (-1,))


def init(config: ModelConfig, key: jax.Array, dtype=jnp.float32):
  """{"params": ...} of a random model, parameters in `dtype`."""
  ids = jnp.zeros((1, 1), jnp.int32)
  variables = Decoder(config).init(key, ids, ids, ids)
  return jax.tree.map(lambda x: x.astype(dtype), variables)


def unstack(variables, layers: int):
  """The variables of Decoder(scan=False): params/layers/... [L, ...] becomes params/layer_0/...,
  params/layer_1/....; of an adapter only what the layers read (kinds.effective)."""
  out = {}
  for name, collection in variables.items():
    rest = {k: v for k, v in collection.items() if k != "layers"}
    stacked = collection["layers"]
    each = {f"layer_{l}": jax.tree.map(lambda x, l=l: x[l], stacked) for l in range(layers)}
    out[name] = rest | each
  return out
