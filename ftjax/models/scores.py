"""How attention scores come from queries and keys, whatever computes them."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Scores(NamedTuple):
  """scale * q @ k, then cap * tanh(scores / cap) where cap is not 0, then ALiBi where there are
  slopes, one for each query head."""

  scale: float
  cap: float = 0.0
  slopes: tuple[float, ...] = ()

  def capped(self, scores: jax.Array) -> jax.Array:
    """Scores with the soft cap on."""
    return self.cap * jnp.tanh(scores / self.cap) if self.cap else scores

  def of(self, q_BTNH, k_BSKH, seen_BTS, k_positions_BS) -> jax.Array:
    """float32 [B, K, G, T, S], G query heads for each of K key heads; the lowest number where a query
    does not see a key."""
    B, T, N, H = q_BTNH.shape
    K = k_BSKH.shape[2]
    q_BTKGH = (q_BTNH * jnp.asarray(self.scale, q_BTNH.dtype)).reshape(B, T, K, N // K, H)
    s_BKGTS = jnp.einsum("BTKGH,BSKH->BKGTS", q_BTKGH, k_BSKH, preferred_element_type=jnp.float32)
    s_BKGTS = self.capped(s_BKGTS)
    if self.slopes:
      s_BKGTS += self.alibi(
        self.slopes_of(K)[None, :, :, None, None], k_positions_BS[:, None, None, None]
      )
    return jnp.where(seen_BTS[:, None, None], s_BKGTS, jnp.finfo(jnp.float32).min)

  def slopes_of(self, K: int) -> jax.Array:
    """float32 [K, G]."""
    return jnp.asarray(self.slopes, jnp.float32).reshape(K, -1)

  def alibi(self, slopes: jax.Array, k_positions: jax.Array) -> jax.Array:
    """float32: what is added to scores (Press et al. 2022), up to a number for each query that
    softmax does not see.

    The reference rounds slopes and products to bfloat16, and published models were trained so.
    """
    rounded = lambda x: jax.lax.reduce_precision(x, exponent_bits=8, mantissa_bits=7)
    return self.scale * rounded(rounded(slopes) * rounded(k_positions.astype(jnp.float32)))


def alibi_slopes(N: int) -> tuple[float, ...]:
  """One slope a head: powers of 2 ** (-8 / n) for n the power of two up to N, and for the other
  heads every second one of those for 2 n (reference: build_alibi_tensor in
  transformers/models/falcon/modeling_falcon.py)."""
  n = 2 ** math.floor(math.log2(N))
  powers = lambda n, step: [2 ** (-8 / n * i) for i in range(1, n + 1, step)]
  return tuple(powers(n, 1) + powers(2 * n, 2)[: N - n])


def with_sinks(y_BTNH: jax.Array, lse_BTN: jax.Array, sinks_N: jax.Array) -> jax.Array:
  """Attention with one more key for each head, whose score is its sink and whose value is 0.

  y: attention without; lse: the log-sum-exp of its scores. The sink takes its share of the softmax,
  which leaves exp(lse) / (exp(lse) + exp(sink)) to the keys.
  """
  share_BTN = jax.nn.sigmoid(lse_BTN - sinks_N.astype(jnp.float32)[None, None])
  return (y_BTNH.astype(jnp.float32) * share_BTN[..., None]).astype(y_BTNH.dtype)
