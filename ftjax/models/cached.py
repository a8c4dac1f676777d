"""Attention of a few new tokens over a KV cache, whose heads stand outside its slots: [B, K, S, H].

So both products read it as it lies in memory; with slots outside, XLA copies the whole cache at
every token to turn it round.
"""

import jax
import jax.numpy as jnp

from ftjax.models.scores import Scores, with_sinks

_LOWEST = jnp.finfo(jnp.float32).min


def attend(q_BTNH, k_BKSH, v_BKSH, seen_BTS, k_positions_BS, scores: Scores, sinks_N=None):
  """What attention.attend_xla computes. seen: bool, which slots each query may see."""
  B, T, N, H = q_BTNH.shape
  K = k_BKSH.shape[1]
  q_BKTGH = (q_BTNH * jnp.asarray(scores.scale, q_BTNH.dtype)).reshape(B, T, K, N // K, H)
  q_BKTGH = jnp.moveaxis(q_BKTGH, 1, 2)
  s_BKTGS = jnp.einsum("BKTGH,BKSH->BKTGS", q_BKTGH, k_BKSH, preferred_element_type=jnp.float32)
  s_BKTGS = scores.capped(s_BKTGS)
  if scores.slopes:
    slopes = scores.slopes_of(K)[None, :, None, :, None]
    s_BKTGS += scores.alibi(slopes, k_positions_BS[:, None, None, None])
  s_BKTGS = jnp.where(seen_BTS[:, None, :, None], s_BKTGS, _LOWEST)
  p_BKTGS = jax.nn.softmax(s_BKTGS, axis=-1).astype(v_BKSH.dtype)
  y_BTNH = jnp.moveaxis(_weighted(p_BKTGS, v_BKSH), 1, 2).reshape(B, T, N, H)
  if sinks_N is None:
    return y_BTNH
  lse_BKTG = jax.nn.logsumexp(s_BKTGS, axis=-1)
  return with_sinks(y_BTNH, jnp.moveaxis(lse_BKTG, 1, 2).reshape(B, T, N), sinks_N)


def _weighted(p_BKTGS, v_BKSH):
  """[B, K, T, G, H]: the values' means."""
  if jax.default_backend() != "cpu" or p_BKTGS.shape[2] > 1:
    return jnp.einsum("BKTGS,BKSH->BKTGH", p_BKTGS, v_BKSH)
  # For one query a sum over slots: XLA's CPU backend takes five times as long over the product,
  # which is one with two rows for each head.
  y_BKTGH = jnp.sum(p_BKTGS[..., None] * v_BKSH[:, :, None, None], axis=-2, dtype=jnp.float32)
  return y_BKTGH.astype(v_BKSH.dtype)
