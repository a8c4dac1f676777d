"""The one decoder. Families differ only in the flags of ModelConfig and in the names of their
weights."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from ftjax.config import choice
from ftjax.models import blocked, stacked, virtual
from ftjax.models.adapters import kinds
from ftjax.models.attention import Attention
from ftjax.models.cache import Cache, LayerCache, append
from ftjax.models.config import Layer, ModelConfig
from ftjax.models.embed import Embed
from ftjax.models.head import HeadParameters, head, logits
from ftjax.models.layers import Linear, Norm
from ftjax.models.mlp import MLP
from ftjax.models.moe import MoE
from ftjax.models.quant import base
from ftjax.models.rope import Table, document_lengths, table
from ftjax.models.stacked import unstack
from ftjax.models.view import View
from ftjax.parallel.mesh import BATCH, TIME, constrain

__all__ = ["Decoder", "head", "init", "logits", "unstack"]

# Stacked over layers along axis 0.
COLLECTIONS = dict.fromkeys(("params", base.COLLECTION, *kinds.COLLECTIONS), 0)
BLOCK_INPUT = "block_input"  # the name of what a block reads
_attended = jax.checkpoint_policies.save_only_these_names(blocked.RESIDUALS)
# What the backward pass may keep; everything else in a block it computes again.
REMAT = {
  "none": None,
  "block": _attended,
  "dots": jax.checkpoint_policies.save_from_both_policies(
    jax.checkpoint_policies.dots_with_no_batch_dims_saveable, _attended
  ),
  "offload": jax.checkpoint_policies.save_and_offload_only_these_names(
    names_which_can_be_saved=[],
    names_which_can_be_offloaded=[BLOCK_INPUT, blocked.RESIDUALS],
    offload_src="device",
    offload_dst="pinned_host",
  ),
}


class Block(nn.Module):
  """Attention and MLP, each between its norms, on the residual flow:

    serial    x += attention(norm(x));  x += mlp(norm(x))
    parallel  x += attention(h) + mlp(h)  with h = norm(x), or with two norms

  shared: how many keys of a row come first that every document sees. layer: what sets this layer
  apart; in a scan, what all layers have in common.
  """

  config: ModelConfig
  dtype: jnp.dtype
  attention: str
  dropout: float
  matmul: str
  shared: int
  layer: Layer

  @nn.compact
  def __call__(
    self, x_BTD, view, ropes, cache: LayerCache | None, start, train: bool, varied: Layer
  ):
    """varied: what differs between the layers of a scan, None where nothing does."""
    c = self.config
    x_BTD = checkpoint_name(x_BTD, BLOCK_INPUT)
    window, which = (own if v is None else v for own, v in zip(self.layer, varied, strict=True))
    rope = jax.tree.map(lambda x: x[which], ropes) if isinstance(ropes, Table) else ropes[which]
    attention = Attention(
      c, self.dtype, self.attention, self.dropout, self.matmul, self.shared, name="attention"
    )
    if c.experts:
      mlp = MoE(c, self.dtype, self.dropout, name="experts")
    else:
      mlp = MLP(c, self.dtype, self.dropout, self.matmul, name="mlp")
    pre = lambda x, name: norm(c, name)(x) if c.pre_norm else x
    post = lambda y, name: norm(c, name)(y) if c.post_norm else y
    summed = lambda x, name: norm(c, name)(x) if c.sum_norm else x
    scaled = lambda y: y if c.residual_scale == 1 else _times(y, c.residual_scale)

    h_BTD = pre(x_BTD, "attention_norm")
    y_BTD, cache = attention(h_BTD, view, rope, cache, start, train, window)
    y_BTD = post(y_BTD, "attention_post_norm")
    if c.residual == "parallel":
      if c.parallel_norms:
        h_BTD = pre(x_BTD, "mlp_norm")
      x_BTD += scaled(y_BTD + post(mlp(h_BTD, train), "mlp_post_norm"))
    else:
      x_BTD = summed(x_BTD + scaled(y_BTD), "attention_sum_norm")
      y_BTD = post(mlp(pre(x_BTD, "mlp_norm"), train), "mlp_post_norm")
      x_BTD = summed(x_BTD + scaled(y_BTD), "mlp_sum_norm")
    return constrain(x_BTD, BATCH, TIME, None), cache


def norm(c: ModelConfig, name: str) -> Norm:
  """A norm over the model's width."""
  return Norm(
    c.norm, c.norm_eps, bias=c.norm == "layer" and c.norm_bias, offset=c.norm_offset, name=name
  )


def _times(y: jax.Array, factor: float) -> jax.Array:
  """The product in float32, rounded once, as torch multiplies by a number."""
  return (y.astype(jnp.float32) * factor).astype(y.dtype)


class Decoder(nn.Module):
  """Token ids to hidden states; `head` and `logits` (models/head.py) take them to the vocabulary.

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
  remat: str = "none"  # what backward recomputes: "none" nothing, "dots" all but matrix products, "block" all but attention; "offload" as "block", what is kept waits in the host's memory
  dropout: float = 0.0  # of adapters
  scan: bool = True
  neftune: float = 0.0  # alpha of the noise on token vectors in training
  matmul: str = ""  # products of the blocks' linear layers, but experts': see models/matmul.py

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
    (view.visible), and the virtual tokens of an adapter, from which their positions count on.
    A cache has these already: see models/prefixes.py.
    """
    c, T = self.config, tokens_BT.shape[1]
    in_front, as_keys = kinds.virtual(self.variables)
    shared = in_front + as_keys
    if shared:
      positions_BT = virtual.after(positions_BT, segments_BT, shared)
    if in_front and cache is None:
      tokens_BT = virtual.in_front(tokens_BT, c.V + jnp.arange(in_front))
      segments_BT, positions_BT = virtual.places(segments_BT, positions_BT, in_front)
    embed = Embed(c, self.dtype, self.dropout, self.neftune, name="embed")
    x_BTD = embed(tokens_BT, positions_BT, segments_BT, train)
    x_BTD = constrain(x_BTD, BATCH, TIME, None)
    ropes = self._ropes(positions_BT, segments_BT, cache)
    start, k_segments, k_positions = None, segments_BT, positions_BT
    if cache is not None:
      start = cache.length
      k_segments = append(cache.segments, segments_BT, start)
      k_positions = append(cache.positions, positions_BT, start)
    elif as_keys:
      k_segments, k_positions = virtual.places(segments_BT, positions_BT, as_keys)
    view = View(segments_BT, positions_BT, k_segments, k_positions)
    x_BTD, layers = self._layers(x_BTD, view, ropes, cache, start, train, shared)
    x_BTD = x_BTD[:, -T:] if shared else x_BTD
    if cache is not None:
      length = start + tokens_BT.shape[1]
      cache = Cache(layers, k_segments, k_positions, length, cache.lengths)
    if c.final_norm:
      x_BTD = norm(c, "final_norm")(x_BTD)
    if c.embed_width:
      project = Linear(
        (c.D,), (c.embed_width,), dtype=self.dtype, dropout=self.dropout, name="project_out"
      )
      x_BTD = project(x_BTD, train)
    if self.is_initializing() and not c.tied:
      HeadParameters(c, name="head")()
    return x_BTD, cache

  def _ropes(self, positions_BT, segments_BT, cache) -> tuple[Table | None, ...]:
    """A table for each of config.ROPES."""
    c = self.config
    lengths = None
    if any(r is not None and r.by_length for r in (c.rope, c.local_rope)):
      own = cache is None
      lengths = document_lengths(positions_BT, segments_BT) if own else cache.lengths[:, None]
    make = lambda rope: None if rope is None else table(rope, positions_BT, lengths)
    return None, make(c.rope), make(c.local_rope)

  def _layers(self, x_BTD, view, ropes, cache, start, train, shared):
    block = Block
    policy = REMAT[choice(self.remat, REMAT, "train.remat")]
    if policy is not None:
      block = nn.remat(Block, prevent_cse=not self.scan, policy=policy, static_argnums=(6,))
    args = (self.config, self.dtype, self.attention, self.dropout, self.matmul, shared)
    layers = self.config.layers
    if not self.scan:
      caches = []
      for l, layer in enumerate(layers):
        own = cache.layers[l] if cache is not None else None
        x_BTD, own = block(*args, layer, name=f"layer_{l}")(
          x_BTD, view, ropes, own, start, train, Layer(None, None)
        )
        caches.append(own)
      return x_BTD, tuple(caches)
    if cache is not None:
      raise ValueError("decoding with a cache wants Decoder(scan=False) and unstacked variables")
    varied = stacked.varied(layers)
    if varied.rope is not None:
      ropes = stacked.tables(ropes)
    for name, part in stacked.scans(self.variables, self.config.L):
      scanned = nn.scan(
        block,
        variable_axes=COLLECTIONS,
        split_rngs={"params": True, "dropout": True},
        in_axes=(nn.broadcast,) * 5 + (0,),
        length=part.stop - part.start,
      )(*args, layers[0], name=name)
      own = jax.tree.map(lambda x, part=part: x[part], varied)
      x_BTD, _ = scanned(x_BTD, view, ropes, None, None, train, own)
    return x_BTD, None


def init(config: ModelConfig, key: jax.Array, dtype=jnp.float32):
  """{"params": ...} of a random model, parameters in `dtype`."""
  ids = jnp.zeros((1, 1), jnp.int32)
  variables = Decoder(config).init(key, ids, ids, ids)
  return jax.tree.map(lambda x: x.astype(dtype), variables)
