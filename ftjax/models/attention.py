"""Attention: one function with named implementations, and the block's attention module around
it."""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from ftjax.config import choice
from ftjax.models import blocked
from ftjax.models.cache import LayerCache, append
from ftjax.models.config import ModelConfig
from ftjax.models.layers import Linear, rotate
from ftjax.parallel.mesh import AXES, BATCH, constrain


class View(NamedTuple):
  """Which document (segment) and position each query and each key has: all that decides who sees
  whom."""

  q_segments: jax.Array  # int32 [B, T]
  q_positions: jax.Array
  k_segments: jax.Array  # int32 [B, S]
  k_positions: jax.Array


def visible(view: View) -> jax.Array:
  """bool [B, T, S]: which keys each query may see: its own document's, up to its own position.

  Positions grow within a document, so this one rule is causality, isolation of packed documents
  and, with a cache, the masking of empty slots. For a row packed with documents A (2 tokens), B (3)
  and one of padding:

        A A B B B .
      A 1
      A 1 1
      B     1
      B     1 1
      B     1 1 1
      .           1     (padding sees padding: no empty row, so no NaN)
  """
  same = view.q_segments[:, :, None] == view.k_segments[:, None, :]
  return same & (view.q_positions[:, :, None] >= view.k_positions[:, None, :])


def attend_xla(q_BTNH, k_BSKH, v_BSKH, view: View) -> jax.Array:
  """Softmax attention by plain XLA operations: the reference for every other implementation.

  Scores and softmax are float32; the result has q's dtype. N may be a multiple of K (grouped
  queries).
  """
  B, T, N, H = q_BTNH.shape
  K = k_BSKH.shape[2]
  q_BTKGH = (q_BTNH * jnp.asarray(H**-0.5, q_BTNH.dtype)).reshape(B, T, K, N // K, H)
  s_BKGTS = jnp.einsum("BTKGH,BSKH->BKGTS", q_BTKGH, k_BSKH, preferred_element_type=jnp.float32)
  s_BKGTS = jnp.where(visible(view)[:, None, None], s_BKGTS, jnp.finfo(jnp.float32).min)
  p_BKGTS = jax.nn.softmax(s_BKGTS, axis=-1).astype(v_BSKH.dtype)
  return jnp.einsum("BKGTS,BSKH->BTKGH", p_BKGTS, v_BSKH).reshape(B, T, N, H)


IMPLEMENTATIONS = {"xla": attend_xla, "blocked": blocked.attend}


def implementation(name: str, cached: bool) -> Callable[..., jax.Array]:
  """The function behind a name; "auto" takes the fastest for the platform and the ambient mesh.

  blocked loops over rows and heads, which pays on a CPU and only where they are not split over
  devices; with a cache there is one query a row and nothing to block.
  """
  if name == "auto":
    mesh = jax.sharding.get_abstract_mesh()
    split = not mesh.empty and mesh.axis_names == AXES and mesh.size > 1
    name = "blocked" if jax.default_backend() == "cpu" and not split and not cached else "xla"
  return IMPLEMENTATIONS[choice(name, ("auto", *IMPLEMENTATIONS), "model.attention")]


class Attention(nn.Module):
  """Queries, keys and values from x; rope; attention over the row or over the cache; the output
  projection."""

  config: ModelConfig
  dtype: jnp.dtype
  implementation: str = "auto"
  dropout: float = 0.0

  @nn.compact
  def __call__(self, x_BTD, view: View, rope, cache: LayerCache | None, start, train: bool):
    c = self.config
    heads = lambda n, name: Linear(
      (c.D,), (n, c.H), bias=c.qkv_bias, dtype=self.dtype, dropout=self.dropout, name=name
    )
    if c.fused_qkv:
      qkv = heads(c.N + 2 * c.K, "qkv")(x_BTD, train)
      q_BTNH, k_BTKH, v_BTKH = jnp.split(qkv, [c.N, c.N + c.K], axis=2)
    else:
      q_BTNH, k_BTKH, v_BTKH = (
        heads(n, name)(x_BTD, train) for n, name in ((c.N, "query"), (c.K, "key"), (c.K, "value"))
      )
    q_BTNH = constrain(q_BTNH, BATCH, None, "tensor", None)
    k_BTKH = constrain(k_BTKH, BATCH, None, "tensor", None)
    v_BTKH = constrain(v_BTKH, BATCH, None, "tensor", None)
    if c.rope:
      q_BTNH, k_BTKH = rotate(q_BTNH, rope, c.rope), rotate(k_BTKH, rope, c.rope)
    if cache is not None:
      cache = LayerCache(append(cache.key, k_BTKH, start), append(cache.value, v_BTKH, start))
      k_BTKH, v_BTKH = cache
    attend = implementation(self.implementation, cached=cache is not None)
    y_BTNH = attend(q_BTNH, k_BTKH, v_BTKH, view)
    out = Linear(
      (c.N, c.H), (c.D,), bias=c.out_bias, dtype=self.dtype, dropout=self.dropout, name="out"
    )
    return out(constrain(y_BTNH, BATCH, None, "tensor", None), train), cache
