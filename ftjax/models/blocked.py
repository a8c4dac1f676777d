"""Attention for CPUs, in blocks of queries, so that scores stay in the cache.

Softmax is normalised by its log-sum-exp, which the backward pass uses to compute each block's
probabilities again (Dao et al. 2022, "FlashAttention"): no [T, S] array outlives its block, and
memory grows with T, not T * T.

A block of queries looks at the keys from where its first document (or window) begins to its own
end; earlier documents of a packed row cost nothing:

    row                A A A A A A B B B B B B B B C C
    block of queries                     [ . . . ]
    keys looked at                 [ . . . . . . ]

Arrays have static shapes, so there are a few widths of keys, and one loop for each over the blocks
that need it. Other choices are what XLA's CPU backend is fast at: every product multiplies rows by
columns as they lie in memory ("T" at the end of a name: transposed, once for all blocks), since
contracting the first dim of a large operand takes two to four times as long; results gathered in
float32, since a part of a bfloat16 array is written by converting all of it; loops instead of
conditionals, inside which nothing is split over the cores; and barriers round what is broadcast
over a block, which inside the exponential's loop would keep it from being vectorised.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from ftjax.models import bf16
from ftjax.models.scores import Scores, with_sinks

BLOCK = 32  # queries: 64 and 128 waste more keys on short documents and gain nothing on long ones
ROWS = 1024  # of scores in one operation at most: query heads times queries
RESIDUALS = "attention"  # the name of y and log-sum-exp, for policies of recomputation
_LOWEST = jnp.finfo(jnp.float32).min


class Plan(NamedTuple):
  """Which blocks of queries look at how many keys.

  order: int32 [B * T / block], blocks (row * T / block + number in the row) by their width. ends:
  int32 [widths + 1]; `_widths(T)[w]` is for order[ends[w]:ends[w + 1]].
  """

  order: jax.Array
  ends: jax.Array


def attend(q_BTNH, k_BTKH, v_BTKH, view, scores: Scores, window=None, sinks_N=None) -> jax.Array:
  """What attention.attend_xla computes, where T = S and each document's tokens stand together and
  in order."""
  y_BTNH, lse_BTN = with_lse(q_BTNH, k_BTKH, v_BTKH, view, scores, window)
  return y_BTNH if sinks_N is None else with_sinks(y_BTNH, lse_BTN, sinks_N)


def with_lse(q_BTNH, k_BTKH, v_BTKH, view, scores: Scores, window=None):
  """(y, the scores' log-sum-exps, float32 [B, T, N]); both have gradients."""
  B, T, N, H = q_BTNH.shape
  K = k_BTKH.shape[2]
  if k_BTKH.shape[1] != T:
    raise ValueError(f"blocked attention wants as many keys as queries, not {k_BTKH.shape[1]}, {T}")
  window = None if window is None else jnp.int32(window)
  view = type(view)(*(_filled(x) for x in view))
  q, k, v = (_grouped(_filled(x), K, N // K) for x in (q_BTNH, k_BTKH, v_BTKH))
  slopes = None
  if scores.slopes:
    slopes = jnp.tile(scores.slopes_of(K).reshape(K // q.shape[1], q.shape[1], -1), (B, 1, 1))
  y, lse = _attend(scores, _plan(view, window), window, q, k[:, :, 0], v[:, :, 0], slopes, view)
  return _ungrouped(y, B)[:, :T], _ungrouped(lse[..., None], B)[:, :T, :, 0]


def _filled(x_BT):
  """Zeros at the end of T, up to whole blocks: segment 0, which nobody but padding sees."""
  T = x_BT.shape[1]
  return jnp.pad(x_BT, [(0, 0), (0, -T % min(BLOCK, T))] + [(0, 0)] * (x_BT.ndim - 2))


def _grouped(x_BTNH, K: int, G: int):
  """[B, T, N, H] -> [J, R, N / K, T, H]: J groups of R key heads of one row, each with its query
  heads. G, of the queries, decides how many heads one operation takes."""
  B, T, N, H = x_BTNH.shape
  most = max(1, ROWS // (G * min(BLOCK, T)))
  R = max(r for r in range(1, K + 1) if K % r == 0 and r <= most)
  x = x_BTNH.reshape(B, T, K, N // K, H).transpose(0, 2, 3, 1, 4)
  return x.reshape(B * K // R, R, N // K, T, H)


def _ungrouped(x_JRGTH, B: int):
  """[B, T, N, H]."""
  T, H = x_JRGTH.shape[-2:]
  return x_JRGTH.reshape(B, -1, T, H).transpose(0, 2, 1, 3)


def _widths(T: int) -> list[int]:
  """How many keys a block may look at: 2, 4, 6, 8, 12, 16, 24, ... blocks of them, up to T."""
  block, n, widths = min(BLOCK, T), 2, []
  while not widths or widths[-1] < T:
    widths.append(min(T, block * n))
    n += max(2, (1 << n.bit_length()) // 4)
  return widths


def _plan(view, window) -> Plan:
  segments_BT = view.q_segments
  B, T = segments_BT.shape
  block, widths = min(BLOCK, T), jnp.asarray(_widths(T), jnp.int32)
  index = jnp.arange(T, dtype=jnp.int32)[None]
  begins = jnp.pad(segments_BT[:, 1:] != segments_BT[:, :-1], ((0, 0), (1, 0)))
  first = jax.lax.cummax(jnp.where(begins, index, 0), axis=1)[:, ::block]
  if window is not None:
    first = jnp.maximum(first, index[:, ::block] - window + 1)
  choice = jnp.searchsorted(widths, index[:, block - 1 :: block] + 1 - first).reshape(-1)
  order = jnp.argsort(choice)
  return Plan(order, jnp.searchsorted(choice[order], jnp.arange(len(widths) + 1)))


def _per_block(plan: Plan, groups: int, T: int, body, carry):
  """Runs carry = body(carry, place) for every block of queries of every group; `groups` a row."""
  block = min(BLOCK, T)

  def step(n, carry, width):
    row, number = jnp.divmod(plan.order[n // groups], T // block)
    at = number * block
    place = Place(row * groups + n % groups, row, at, jnp.maximum(at + block - width, 0), width)
    return body(carry, place)

  for w, width in enumerate(_widths(T)):
    start, end = plan.ends[w] * groups, plan.ends[w + 1] * groups
    carry = jax.lax.fori_loop(start, end, partial(step, width=width), carry)
  return carry


class Place(NamedTuple):
  """A block of queries and its keys: those of group j, which is of this row; at and low: where the
  queries and the keys begin; width: how many keys."""

  j: jax.Array
  row: jax.Array
  at: jax.Array
  low: jax.Array
  width: int


def _cut(x, i, start, size: int, axis: int):
  """x[i], and of its `axis` (-1, -2) `size` from `start` on."""
  starts, sizes = [i] + [0] * (x.ndim - 1), [1, *x.shape[1:]]
  starts[axis], sizes[axis] = start, size
  return jax.lax.dynamic_slice(x, starts, sizes)[0]


def _paste(x, part, i, start, axis: int):
  """x with `part` where _cut would take it from."""
  starts = [i] + [0] * (x.ndim - 1)
  starts[axis] = start
  return jax.lax.dynamic_update_slice(x, part[None], starts)


def _queries(x_JRGTH, place: Place):
  """[R, G * block, H] of a place."""
  R, _, T, H = x_JRGTH.shape[1:]
  return _cut(x_JRGTH, place.j, place.at, min(BLOCK, T), -2).reshape(R, -1, H)


def _dot(a, b):
  """[R, m, k] x [R, k, n] in float32, whatever the operands are."""
  axes = ((2,), (1,)), ((0,), (0,))
  return jax.lax.dot_general(a, b, axes, preferred_element_type=jnp.float32)


_apart = jax.lax.optimization_barrier


def _hidden(view, place: Place, window):
  """float32 [block, width]: 0 where a query sees a key, the lowest number elsewhere."""
  block = min(BLOCK, view.q_segments.shape[1])
  q = lambda x: _cut(x, place.row, place.at, block, -1)[:, None]
  k = lambda x: _cut(x, place.row, place.low, place.width, -1)[None]
  back = q(view.q_positions) - k(view.k_positions)
  seen = (q(view.q_segments) == k(view.k_segments)) & (back >= 0)
  seen = seen if window is None else seen & (back < window)
  return _apart(jnp.where(seen, 0.0, _LOWEST))[None, None]


def _scores(scores, q, kT_JRHT, slopes_JRG, view, window, place: Place):
  """(capped scores [R, G, block, width], what is to be added to them) of a place, float32."""
  R, _, width = kT_JRHT.shape[1], q.shape[1], place.width
  block = min(BLOCK, kT_JRHT.shape[-1])
  s = _dot(q, _cut(kT_JRHT, place.j, place.low, width, -1)).reshape(R, -1, block, width)
  more = _hidden(view, place, window)
  if slopes_JRG is not None:
    k_positions = _cut(view.k_positions, place.row, place.low, width, -1)
    slopes = jax.lax.dynamic_index_in_dim(slopes_JRG, place.j, 0, keepdims=False)
    more += scores.alibi(slopes[..., None, None], k_positions.reshape(1, 1, 1, -1))
  return scores.capped(s), more


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend(scores, plan, window, q_JRGTH, k_JRTH, v_JRTH, slopes_JRG, view):
  """(y [J, R, G, T, H], log-sum-exp of the scores, float32 [J, R, G, T])."""
  J, R, G, T, H = q_JRGTH.shape
  q_JRGTH = q_JRGTH * jnp.asarray(scores.scale, q_JRGTH.dtype)
  kT_JRHT = k_JRTH.swapaxes(2, 3)

  def body(carry, place: Place):
    y_JRGTH, lse_JRGT = carry
    q = _queries(q_JRGTH, place)
    s, more = _scores(scores, q, kT_JRHT, slopes_JRG, view, window, place)
    s += more
    top = s.max(-1, keepdims=True)
    p = jnp.exp(s - _apart(top))
    z = p.sum(-1, keepdims=True)
    v = _cut(v_JRTH, place.j, place.low, place.width, -2)
    y = _dot(p.reshape(R, -1, place.width).astype(v.dtype), v).reshape(R, G, -1, H) / z
    y_JRGTH = _paste(y_JRGTH, y, place.j, place.at, -2)
    return y_JRGTH, _paste(lse_JRGT, (top + jnp.log(z))[..., 0], place.j, place.at, -1)

  start = jnp.zeros(q_JRGTH.shape), jnp.zeros((J, R, G, T))
  y, lse = _per_block(plan, J // view.q_segments.shape[0], T, body, start)
  return y.astype(q_JRGTH.dtype), lse


def _forward(scores, *args):
  y, lse = (checkpoint_name(x, RESIDUALS) for x in _attend(scores, *args))
  return (y, lse), (*args, y, lse)


def _backward(scores, saved, gradients):
  plan, window, q_JRGTH, k_JRTH, v_JRTH, slopes_JRG, view, y_JRGTH, lse_JRGT = saved
  dy_JRGTH, dlse_JRGT = gradients
  (J, R, G, T, H), dtype = q_JRGTH.shape, q_JRGTH.dtype
  q_JRGTH = q_JRGTH * jnp.asarray(scores.scale, dtype)
  kT_JRHT, vT_JRHT = k_JRTH.swapaxes(2, 3), v_JRTH.swapaxes(2, 3)
  delta_JRGT = (dy_JRGTH.astype(jnp.float32) * y_JRGTH.astype(jnp.float32)).sum(-1) - dlse_JRGT

  def body(carry, place: Place):
    dq_JRGTH, dkT_JRHT, dvT_JRHT = carry
    j, at, low, width = place.j, place.at, place.low, place.width
    q, dy = _queries(q_JRGTH, place), _queries(dy_JRGTH, place)
    row = lambda x: _apart(_cut(x, j, at, min(BLOCK, T), -1))[..., None]
    s, more = _scores(scores, q, kT_JRHT, slopes_JRG, view, window, place)
    p = _apart(jnp.exp(s + more - row(lse_JRGT)))
    ds = p * (_dot(dy, _cut(vT_JRHT, j, low, width, -1)).reshape(p.shape) - row(delta_JRGT))
    if scores.cap:
      ds *= 1 - jnp.square(s / scores.cap)
    p, ds = (x.reshape(R, -1, width).astype(dtype) for x in (p, ds))
    dq = _dot(ds, _cut(k_JRTH, j, low, width, -2)) * scores.scale
    add = lambda x, part: _paste(x, _cut(x, j, low, width, -1) + part, j, low, -1)
    return (
      _paste(dq_JRGTH, dq.reshape(R, G, -1, H), j, at, -2),
      add(dkT_JRHT, _dot(turned(q), ds)),
      add(dvT_JRHT, _dot(turned(dy), p)),
    )

  turned = bf16.turned if bf16.applies(dtype) else lambda x: x.swapaxes(1, 2)
  start = jnp.zeros(q_JRGTH.shape), *(jnp.zeros((J, R, H, T)) for _ in "kv")
  dq_JRGTH, *dT = _per_block(plan, J // view.q_segments.shape[0], T, body, start)
  dk_JRTH, dv_JRTH = (x.swapaxes(2, 3).astype(dtype) for x in dT)
  return None, None, dq_JRGTH.astype(dtype), dk_JRTH, dv_JRTH, None, None


_attend.defvjp(_forward, _backward)
