"""Attention: one function with named implementations, and the block's attention module around
it."""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from ftjax.config import choice
from ftjax.models import blocked, cached, cudnn, shared, splash
from ftjax.models.adapters import kinds
from ftjax.models.cache import LayerCache, extend
from ftjax.models.config import ModelConfig
from ftjax.models.layers import Linear, Norm
from ftjax.models.rope import Table, rotate
from ftjax.models.scores import Scores, alibi_slopes, with_sinks
from ftjax.models.view import View, visible
from ftjax.models.virtual import in_front
from ftjax.parallel.mesh import BATCH, TIME, ambient, constrain, platform


def attend_xla(
  q_BTNH, k_BSKH, v_BSKH, view: View, scores: Scores, window=None, sinks_N=None
) -> jax.Array:
  """Softmax attention by plain XLA operations: the reference for every other implementation.

  Scores and softmax are float32; the result has q's dtype. N may be a multiple of K (grouped
  queries). window: as in `visible`. sinks_N: one score for each head that takes part in the softmax
  and stands for no key.
  """
  B, T, N, H = q_BTNH.shape
  s_BKGTS = scores.of(q_BTNH, k_BSKH, visible(view, window), view.k_positions)
  p_BKGTS = jax.nn.softmax(s_BKGTS, axis=-1).astype(v_BSKH.dtype)
  y_BTNH = jnp.einsum("BKGTS,BSKH->BTKGH", p_BKGTS, v_BSKH).reshape(B, T, N, H)
  if sinks_N is None:
    return y_BTNH
  lse_BNT = jax.nn.logsumexp(s_BKGTS, axis=-1).reshape(B, N, T)
  return with_sinks(y_BTNH, lse_BNT.swapaxes(1, 2), sinks_N)


IMPLEMENTATIONS = {
  "xla": attend_xla,
  "blocked": blocked.attend,
  "splash": splash.attend,
  "cudnn": cudnn.attend,
}
STATIC = ("splash",)  # those that want to know the window when they are compiled


def implementation(name: str, *, scores: Scores, sinks: bool, dtype) -> str:
  """What to attend with; "auto" takes the fastest for the platform and the ambient mesh.

  blocked loops over rows and heads, which pays on a CPU and only where they are not split over
  devices. With a cache there is one query a row and nothing to block: see models/cached.py.
  """
  choice(name, ("auto", *IMPLEMENTATIONS), "model.attention")
  if name != "auto":
    return name
  mesh = ambient()
  match platform():
    case "cpu" if mesh is None or mesh.size == 1:
      return "blocked"
    case "tpu" if not scores.slopes:
      return "splash"
    case "gpu" if cudnn.can(scores, dtype, sinks):
      return "cudnn"
  return "xla"


def by_window(attend: Callable[..., jax.Array], windows: tuple[int, ...], window) -> jax.Array:
  """attend(window=...) of one whose window must be a number: where a scan brings another for each
  layer, a branch for each that there is.

  windows: of all layers, 0 = none. window: this layer's; None, a number, or int32 [].
  """
  if window is None or isinstance(window, int):
    return attend(window=window)
  each = sorted({w or jnp.iinfo(jnp.int32).max for w in windows})
  branches = [lambda w=w: attend(window=w if w in windows else None) for w in each]
  return jax.lax.switch(jnp.searchsorted(jnp.asarray(each, jnp.int32), window), branches)


class Attention(nn.Module):
  """Queries, keys and values from x; their norms; rope; attention over the row or over the cache;
  the output projection."""

  config: ModelConfig
  dtype: jnp.dtype
  implementation: str = "auto"
  dropout: float = 0.0
  matmul: str = ""
  shared: int = 0  # the first keys of a row, which every document sees

  @nn.compact
  def __call__(
    self,
    x_BTD: jax.Array,
    view: View,
    rope: Table | None,
    cache: LayerCache | None,
    start: jax.Array | None,
    train: bool,
    window: Any,
  ) -> tuple[jax.Array, LayerCache | None]:
    c = self.config
    q_BTNH, k_BTKH, v_BTKH = (
      constrain(x, BATCH, TIME, "tensor", None) for x in self._projected(x_BTD, train)
    )
    if c.qk_norm != "none":
      q_BTNH, k_BTKH = self._norm("query_norm")(q_BTNH), self._norm("key_norm")(k_BTKH)
    if rope is not None:
      q_BTNH, k_BTKH = (rotate(x, rope, c.rope.interleaved) for x in (q_BTNH, k_BTKH))
    if cache is not None:
      cache = extend(cache, k_BTKH, v_BTKH, start)
    elif (own := kinds.keys(self.variables)) is not None:
      k_BTKH, v_BTKH = in_front(k_BTKH, own[0]), in_front(v_BTKH, own[1])
    scale = c.H**-0.5 if c.score_scale is None else c.score_scale
    scores = Scores(scale, c.score_cap, alibi_slopes(c.N) if c.alibi else ())
    sinks_N = self.param("sinks", nn.initializers.zeros, (c.N,)) if c.sinks else None
    if cache is not None:
      seen_BTS = visible(view, window)
      y_BTNH = cached.attend(q_BTNH, *cache, seen_BTS, view.k_positions, scores, sinks_N)
    else:
      name = implementation(self.implementation, scores=scores, sinks=c.sinks, dtype=q_BTNH.dtype)
      chosen = IMPLEMENTATIONS[name]
      if self.shared:
        # Others know nothing of keys that all documents share, and give no log-sum-exps to join.
        blocks = functools.partial(shared.attend, blocked.with_lse, self.shared)
        name, chosen = ("blocked", blocks) if name == "blocked" else ("xla", attend_xla)
      # Every query needs all keys of its row.
      k_BTKH, v_BTKH = (constrain(x, BATCH, None, "tensor", None) for x in (k_BTKH, v_BTKH))
      args = (q_BTNH, k_BTKH, v_BTKH, view, scores)
      attend = functools.partial(chosen, *args, sinks_N=sinks_N)
      y_BTNH = by_window(attend, c.windows, window) if name in STATIC else attend(window=window)
    out = Linear((c.N, c.H), (c.D,), c.out_bias, self.dtype, self.dropout, self.matmul, name="out")
    return out(constrain(y_BTNH, BATCH, TIME, "tensor", None), train), cache

  def _projected(self, x_BTD, train: bool):
    """Queries [B, T, N, H], keys and values [B, T, K, H]."""
    c = self.config
    heads = lambda n, name: Linear(
      (c.D,), (*n, c.H), c.qkv_bias, self.dtype, self.dropout, self.matmul, name=name
    )
    if c.fused_qkv:
      return jnp.split(heads((c.N + 2 * c.K,), "qkv")(x_BTD, train), [c.N, c.N + c.K], axis=2)
    if c.grouped_qkv:
      G = c.N // c.K
      x_BTKQH = heads((c.K, G + 2), "grouped_qkv")(x_BTD, train)
      split = jnp.split(x_BTKQH, [G, G + 1], axis=3)
      return [x.reshape(*x.shape[:2], -1, c.H) for x in split]
    apart = ((c.N, "query"), (c.K, "key"), (c.K, "value"))
    return [heads((n,), name)(x_BTD, train) for n, name in apart]

  def _norm(self, name: str) -> Norm:
    c = self.config
    kind = choice(c.qk_norm, ("head", "heads", "width"), "ModelConfig.qk_norm")
    return Norm(
      c.norm, c.norm_eps, offset=c.norm_offset, by_head=kind != "head",
      over=2 if kind == "width" else 1, name=name,
    )  # fmt: skip
