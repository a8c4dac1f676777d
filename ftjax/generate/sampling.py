"""From logits to the next token: greedy, temperature, top-k, top-p, repetition penalty.

Nothing here sorts the vocabulary (a sort costs more than the model): top-p finds its threshold by
bisection, and a token is drawn through two levels of partial sums with one random number a row.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ftjax.config import InputError

_BLOCK = 256  # tokens of one block of partial sums
_TINY, _HUGE = (float(x) for x in (jnp.finfo(jnp.float32).tiny, jnp.finfo(jnp.float32).max))


class Dials(NamedTuple):
  """The numbers of a Sampling as float32 scalars: turning one does not compile anything anew."""

  temperature: jax.Array
  top_p: jax.Array
  repetition_penalty: jax.Array


@dataclass(frozen=True)
class Sampling:
  """How the next token is chosen. Frozen and hashable.

  temperature: 0 takes the most likely token (greedy); above, logits are divided by it. top_k: only
  the k most likely tokens; 0 = off. top_p: only the smallest set of most likely tokens whose mass
  is at least p (Holtzman et al. 2020); 1 = off. repetition_penalty: logits of tokens that the
  prompt or the completion already has are divided by it where positive and multiplied where
  negative (Keskar et al. 2019); 1 = off. Order and meaning are those of transformers: penalty,
  temperature, top-k, top-p.
  """

  temperature: float = 0.0
  top_k: int = 0
  top_p: float = 1.0
  repetition_penalty: float = 1.0

  def __post_init__(self):
    check = _check
    check(
      "temperature", self.temperature, 0 <= self.temperature < float("inf"), "0 (greedy) or above"
    )
    check(
      "top_k",
      self.top_k,
      self.top_k >= 0 and self.top_k % 1 == 0,
      "0 (off) or a whole number above",
    )
    check("top_p", self.top_p, 0 < self.top_p <= 1, "above 0 and at most 1 (off)")
    check(
      "repetition_penalty",
      self.repetition_penalty,
      1e-6 <= self.repetition_penalty <= 1e6,
      "1e-6 to 1e6 (1 = off)",
    )

  @property
  def dials(self) -> Dials:
    """The numbers, for the device: none that float32 takes for 0 or for infinity."""
    numbers = self.temperature, self.top_p, self.repetition_penalty
    return Dials(*(jnp.float32(min(max(x, _TINY), _HUGE)) for x in numbers))

  @property
  def parts(self) -> "Parts":
    """Which operations take part: static under jit."""
    greedy = self.temperature == 0
    return Parts(
      greedy,
      0 if greedy else int(self.top_k),
      not greedy and self.top_p < 1,
      self.repetition_penalty != 1,
    )


class Parts(NamedTuple):
  """What of a Sampling decides the shape of the program."""

  greedy: bool
  top_k: int
  top_p: bool
  penalty: bool


def _check(key, value, good, allowed) -> None:
  if not good:
    raise InputError(f"{key}={value!r} is out of range: it must be {allowed}.")


def penalize(logits_BV: jax.Array, seen_BV: jax.Array, penalty: jax.Array) -> jax.Array:
  """Logits with those of seen tokens (bool [B, V]) made less likely."""
  return jnp.where(
    seen_BV, jnp.where(logits_BV < 0, logits_BV * penalty, logits_BV / penalty), logits_BV
  )


def warp(logits_BV: jax.Array, parts: Parts, dials: Dials) -> jax.Array:
  """Logits after temperature, top-k and top-p, the largest 0; what is cut off is -inf. Tokens tied at
  the threshold all stay."""
  # Quotients by a small temperature are so large that their own rounding would decide between tokens
  # (compiled programs round them in two ways), or infinite: the largest is to be 0 before.
  logits_BV = (logits_BV - logits_BV.max(-1, keepdims=True)) / dials.temperature
  V = logits_BV.shape[-1]
  if 0 < parts.top_k < V:
    best_Bk = jax.lax.top_k(logits_BV, parts.top_k)[0]
    least_B = best_Bk.min(-1)  # [:, -1] would make XLA on CPU sort the whole row
    if parts.top_p:
      p_Bk = jax.nn.softmax(best_Bk, axis=-1)
      kept_Bk = (
        jnp.cumsum(p_Bk, axis=-1) - p_Bk < dials.top_p
      )  # the mass before a token has not reached p
      least_B = jnp.where(kept_Bk, best_Bk, jnp.inf).min(-1)
    return jnp.where(logits_BV >= least_B[:, None], logits_BV, -jnp.inf)
  if parts.top_p:
    p_BV = jax.nn.softmax(logits_BV, axis=-1)
    return jnp.where(p_BV >= nucleus(p_BV, dials.top_p)[:, None], logits_BV, -jnp.inf)
  return logits_BV


def nucleus(p_BV: jax.Array, mass: jax.Array) -> jax.Array:
  """[B]: the largest threshold t such that the probabilities that are >= t add up to `mass` or
  more.

  Bisection on the bits of a float32, whose order is that of the (positive) numbers: exact after 31
  halvings, each of which reads the row once. (The idea is that of t5x/binary_search.py.)
  """
  number = lambda bits: jax.lax.bitcast_convert_type(bits, jnp.float32)

  def halve(_, bounds):
    low_B, high_B = bounds  # the answer lies in [low, high]; low always has mass enough, or is 0
    middle_B = low_B + (high_B - low_B + 1) // 2
    enough = jnp.where(p_BV >= number(middle_B)[:, None], p_BV, 0).sum(-1) >= mass
    return jnp.where(enough, middle_B, low_B), jnp.where(enough, high_B, middle_B - 1)

  bits_B = jax.lax.bitcast_convert_type(p_BV.max(-1), jnp.int32)
  return number(jax.lax.fori_loop(0, 31, halve, (jnp.zeros_like(bits_B), bits_B))[0])


def draw(keys_B: jax.Array, logits_BV: jax.Array) -> jax.Array:
  """int32 [B]: one token a row, drawn from softmax(logits) with the row's own key.

  One uniform number looks up the inverse of the cumulative distribution, first among blocks of
  tokens, then within the block: cumulative sums over the whole vocabulary, or a random number for
  every token, take longer than the model.
  """
  B, V = logits_BV.shape
  p_BV = jnp.exp(logits_BV - logits_BV.max(-1, keepdims=True))
  p_BCb = jnp.pad(p_BV, ((0, 0), (0, -V % _BLOCK))).reshape(B, -1, _BLOCK)
  mass_BC = p_BCb.sum(-1)
  sum_BC = jnp.cumsum(mass_BC, -1)
  target_B = jax.vmap(jax.random.uniform)(keys_B) * sum_BC[:, -1]
  block_B = _first_above(sum_BC, mass_BC, target_B)
  at = lambda x, *dims: jnp.take_along_axis(x, block_B.reshape(B, 1, *dims), 1)[:, 0]
  inside_Bb = at(p_BCb, 1)
  rest_B = target_B - (at(sum_BC) - at(mass_BC))
  return block_B * _BLOCK + _first_above(jnp.cumsum(inside_Bb, -1), inside_Bb, rest_B)


def _first_above(sums_Bn, mass_Bn, target_B) -> jax.Array:
  """The first n that has mass and whose sum is above the target; rounding may leave none: then the
  last with mass."""
  n = jnp.arange(sums_Bn.shape[1], dtype=jnp.int32)[None]
  has = mass_Bn > 0
  last_B = jnp.where(has, n, 0).max(-1)
  return jnp.minimum(
    jnp.where(has & (sums_Bn > target_B[:, None]), n, sums_Bn.shape[1]).min(-1), last_B
  )


def best(logits_BV: jax.Array) -> jax.Array:
  """int32 [B]: argmax, the first of equals. (As two plain reductions: XLA's own argmax is several
  times slower on CPU.)"""
  V = logits_BV.shape[1]
  ids = jnp.arange(V, dtype=jnp.int32)[None]
  first_B = jnp.where(logits_BV == logits_BV.max(-1, keepdims=True), ids, V).min(-1)
  return jnp.minimum(first_B, V - 1)  # NaN equals nothing


@partial(jax.jit, static_argnames="parts")
def choose(logits_BV, keys_B, parts: Parts, dials: Dials) -> jax.Array:
  """int32 [B]: the next token of every row, from float32 logits (already penalised) and a key a
  row."""
  return best(logits_BV) if parts.greedy else draw(keys_B, warp(logits_BV, parts, dials))
