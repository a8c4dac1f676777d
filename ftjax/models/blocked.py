"""Attention for CPUs: one key head of one row at a time, in blocks of queries, so that scores stay
in the cache.

Softmax is normalised by its log-sum-exp, which the backward pass uses to compute each block's
probabilities again (Dao et al. 2022, "FlashAttention"): no [T, S] array outlives its block. Keys
that come after a block of queries are never looked at. Two to three times as fast as whole arrays
on two cores, and its memory grows with T, not T * T.
"""

from functools import partial

import jax
import jax.numpy as jnp

from ftjax.models.scores import Scores, with_sinks

BLOCK = 128  # queries; 64 to 256 measure alike
_LOWEST = jnp.finfo(jnp.float32).min


def attend(q_BTNH, k_BSKH, v_BSKH, view, scores: Scores, window=None, sinks_N=None) -> jax.Array:
  """What attention.attend_xla computes, where each document's tokens stand in their order in the
  row."""
  B, T, N, H = q_BTNH.shape
  K = k_BSKH.shape[2]
  heads = lambda x: _fold(x, K)[:, 0]
  rows = [jnp.repeat(x, K, axis=0) for x in view]
  window = None if window is None else jnp.int32(window)
  slopes = jnp.tile(scores.slopes_of(K), (B, 1)) if scores.slopes else None  # [B * K, G]
  q, k, v = _fold(q_BTNH, K), heads(k_BSKH), heads(v_BSKH)
  y, lse = _attend(scores, window, q, k, v, slopes, *rows)
  y_BTNH, lse_BTN1 = _unfold(y, K), _unfold(lse[..., None], K)
  return y_BTNH if sinks_N is None else with_sinks(y_BTNH, lse_BTN1[..., 0], sinks_N)


def _fold(x_BTNH, K: int):
  """[B, T, N, H] -> [B * K, G, T, H]."""
  B, T, N, H = x_BTNH.shape
  return x_BTNH.reshape(B, T, K, N // K, H).transpose(0, 2, 3, 1, 4).reshape(B * K, N // K, T, H)


def _unfold(x, K: int):
  """[B * K, G, T, H] -> [B, T, N, H]."""
  BK, G, T, H = x.shape
  return x.reshape(BK // K, K, G, T, H).transpose(0, 3, 1, 2, 4).reshape(BK // K, T, K * G, H)


def _blocks(T: int, S: int):
  """(queries, the keys that they may see) of each block."""
  for start in range(0, T, BLOCK):
    stop = min(T, start + BLOCK)
    yield slice(start, stop), slice(0, stop if T == S else S)


def _dot(a, b, axis_a: int, axis_b: int):
  return jax.lax.dot_general(
    a, b, (((axis_a,), (axis_b,)), ((), ())), preferred_element_type=jnp.float32
  )


def _scores(scores, window, q_GTH, k_SH, slopes_G, rows, keys, view):
  """(queries [G * t, H] scaled, scores float32 [G, t, s], the same before ALiBi, mask [1, t, s]) of
  one block."""
  q_segments, q_positions, k_segments, k_positions = view
  G, _, H = q_GTH.shape
  q = q_GTH[:, rows].reshape(-1, H) * jnp.asarray(scores.scale, q_GTH.dtype)
  back = q_positions[rows, None] - k_positions[None, keys]
  mask = (q_segments[rows, None] == k_segments[None, keys]) & (back >= 0)
  if window is not None:
    mask &= back < window
  capped = s = scores.capped(_dot(q, k_SH[keys], 1, 1).reshape(G, *mask.shape))
  if slopes_G is not None:
    s += scores.alibi(slopes_G[:, None, None], k_positions[None, None, keys])
  return q, s, capped, mask[None]


def _forward_one(scores, window, args):
  """One key head of one row: (y [G, T, H], log-sum-exp float32 [G, T])."""
  q_GTH, k_SH, v_SH, slopes_G, *view = args
  (G, T, H), S = q_GTH.shape, k_SH.shape[0]
  ys, lses = [], []
  for rows, keys in _blocks(T, S):
    _, s, _, mask = _scores(scores, window, q_GTH, k_SH, slopes_G, rows, keys, view)
    s = jnp.where(mask, s, _LOWEST)
    top = s.max(-1, keepdims=True)
    p = jnp.exp(s - top)
    z = p.sum(-1, keepdims=True)
    y = _dot(p.reshape(-1, p.shape[-1]).astype(v_SH.dtype), v_SH[keys], 1, 0).reshape(G, -1, H) / z
    ys.append(y.astype(q_GTH.dtype))
    lses.append((top + jnp.log(z))[..., 0])
  return jnp.concatenate(ys, 1), jnp.concatenate(lses, 1)


def _backward_one(scores, window, args):
  """Gradients of one key head of one row: (dq [G, T, H], dk [S, H], dv [S, H])."""
  q_GTH, k_SH, v_SH, slopes_G, *view, y_GTH, lse_GT, dy_GTH, dlse_GT = args
  (G, T, H), S, dtype = q_GTH.shape, k_SH.shape[0], q_GTH.dtype
  dk_SH = dv_SH = jnp.zeros((S, H), jnp.float32)
  delta_GT = (dy_GTH.astype(jnp.float32) * y_GTH.astype(jnp.float32)).sum(-1) - dlse_GT
  dqs = []
  for rows, keys in _blocks(T, S):
    q, s, capped, mask = _scores(scores, window, q_GTH, k_SH, slopes_G, rows, keys, view)
    p = jnp.where(mask, jnp.exp(s - lse_GT[:, rows, None]), 0.0)
    dy = dy_GTH[:, rows].reshape(-1, H)
    ds = p * (_dot(dy, v_SH[keys], 1, 1).reshape(p.shape) - delta_GT[:, rows, None])
    if scores.cap:
      ds *= 1 - jnp.square(capped / scores.cap)
    p, ds = (x.reshape(-1, x.shape[-1]).astype(dtype) for x in (p, ds))
    dv_SH = dv_SH.at[keys].add(_dot(p, dy, 0, 0))
    dk_SH = dk_SH.at[keys].add(_dot(ds, q, 0, 0))
    dqs.append((_dot(ds, k_SH[keys], 1, 0) * scores.scale).reshape(G, -1, H).astype(dtype))
  return jnp.concatenate(dqs, 1), dk_SH.astype(dtype), dv_SH.astype(dtype)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend(scores, window, *args):
  return jax.lax.map(partial(_forward_one, scores, window), args)


def _forward(scores, window, *args):
  y, lse = _attend(scores, window, *args)
  return (y, lse), (window, *args, y, lse)


def _backward(scores, saved, gradients):
  window, *saved = saved
  d = jax.lax.map(partial(_backward_one, scores, window), (*saved, *gradients))
  return (None, *d, None, None, None, None, None)


_attend.defvjp(_forward, _backward)
