"""Attention with keys that all documents share (models/virtual.py), for implementations that know
documents alone: what a query finds among its own document's keys and what it finds among the shared
ones are two softmaxes, which their log-sum-exps join to one (Dao et al. 2022, "FlashAttention", which
does so block by block)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ftjax.models.scores import Scores, with_sinks
from ftjax.models.view import View, visible
from ftjax.models.virtual import SHARED


def attend(
  with_lse: Callable, count: int, q_BTNH, k_BSKH, v_BSKH, view: View, scores: Scores, window=None,
  sinks_N=None,
) -> jax.Array:  # fmt: skip
  """What attention.attend_xla computes, where the first `count` keys are shared, whether they are those of
  the first queries or there are no queries for them.

  with_lse: fn(q, k, v, view, scores, window) -> (y, the scores' log-sum-exps, float32 [B, T, N]), for as
  many keys as queries.
  """
  T = q_BTNH.shape[1]
  among = View(view.q_segments, view.q_positions, view.q_segments, view.q_positions)
  y_BTNH, lse_BTN = with_lse(q_BTNH, k_BSKH[:, -T:], v_BSKH[:, -T:], among, scores, window)
  k_BPKH, v_BPKH, places = k_BSKH[:, :count], v_BSKH[:, :count], (view.k_segments, view.k_positions)
  first = View(view.q_segments, view.q_positions, *(x[:, :count] for x in places))
  shared_BTNH, shared_lse_BTN = _first(q_BTNH, k_BPKH, v_BPKH, first, scores, window)
  share_BTN1 = jax.nn.sigmoid(shared_lse_BTN - lse_BTN)[..., None]
  y_BTNH = (y_BTNH * (1 - share_BTN1) + shared_BTNH * share_BTN1).astype(q_BTNH.dtype)
  if sinks_N is None:
    return y_BTNH
  return with_sinks(y_BTNH, jnp.logaddexp(lse_BTN, shared_lse_BTN), sinks_N)


def _first(q_BTNH, k_BPKH, v_BPKH, view: View, scores: Scores, window):
  """(y, log-sum-exps) of all queries that are no virtual tokens themselves and these few keys; a query
  that sees none has a log-sum-exp that counts for nothing."""
  seen_BTP = visible(view, window) & (view.q_segments != SHARED)[..., None]
  s_BKGTP = scores.of(q_BTNH, k_BPKH, seen_BTP, view.k_positions)
  lse_BKGT = jax.nn.logsumexp(s_BKGTP, axis=-1)
  p_BKGTP = jnp.exp(s_BKGTP - lse_BKGT[..., None]).astype(v_BPKH.dtype)
  y_BTKGH = jnp.einsum("BKGTP,BPKH->BTKGH", p_BKGTP, v_BPKH, preferred_element_type=jnp.float32)
  shape = q_BTNH.shape
  return y_BTKGH.reshape(shape), jnp.moveaxis(lse_BKGT, 3, 1).reshape(shape[:3])
