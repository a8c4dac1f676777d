"""The next token: transformers' own logits processors are the reference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from transformers.generation import logits_process as reference

from ftjax.config import InputError
from ftjax.generate.sampling import (
  Sampling,
  _first_above,
  best,
  choose,
  draw,
  nucleus,
  penalize,
  warp,
)

V = 1009


def _logits(rows=5, seed=0):
  return np.random.default_rng(seed).normal(size=(rows, V)).astype(np.float32) * 3


def _warped(sampling, logits):
  return np.asarray(warp(jnp.asarray(logits), sampling.parts, sampling.dials))


@pytest.mark.parametrize("temperature", [0.3, 1.7])
@pytest.mark.parametrize(
  "top_k,top_p",
  [(0, 1.0), (7, 1.0), (1, 1.0), (V + 5, 1.0), (0, 0.9), (0, 0.05), (0, 0.999), (40, 0.8)],
)
def test_warping_is_that_of_transformers(temperature, top_k, top_p):
  logits = _logits()
  scores = reference.TemperatureLogitsWarper(temperature)(None, torch.tensor(logits))
  if top_k:
    scores = reference.TopKLogitsWarper(top_k)(None, scores)
  if top_p < 1:
    scores = reference.TopPLogitsWarper(top_p)(None, scores)
  ours = _warped(Sampling(temperature, top_k, top_p), logits)
  np.testing.assert_array_equal(np.isfinite(ours), np.isfinite(scores.numpy()))
  theirs = scores.numpy() - scores.numpy().max(-1, keepdims=True)  # the same distribution
  np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


def test_repetition_penalty_is_that_of_transformers():
  logits, ids = _logits(), np.random.default_rng(1).integers(0, V, (5, 30))
  seen = np.zeros((5, V), bool)
  np.put_along_axis(seen, ids, True, axis=1)
  theirs = reference.RepetitionPenaltyLogitsProcessor(1.3)(torch.tensor(ids), torch.tensor(logits))
  ours = penalize(jnp.asarray(logits), jnp.asarray(seen), jnp.float32(1.3))
  np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-6)


def test_nucleus_is_the_smallest_set_with_the_mass():
  p = np.asarray(jax.nn.softmax(jnp.asarray(_logits())))
  threshold = np.asarray(nucleus(jnp.asarray(p), jnp.float32(0.7)))
  for row, least in zip(p, threshold, strict=True):
    kept = row[row >= least]
    assert kept.sum() >= 0.7 > kept.sum() - kept.min()


def test_draws_follow_the_distribution():
  logits = _logits(1)
  p = np.asarray(jax.nn.softmax(jnp.asarray(logits[0])), np.float64)
  n = 40_000
  keys = jax.random.split(jax.random.key(0), n)
  drawn = jax.jit(lambda k: draw(k, jnp.broadcast_to(jnp.asarray(logits), (n, V))))(keys)
  counts = np.bincount(np.asarray(drawn), minlength=V)
  likely = p * n > 20
  chi = (((counts - p * n) ** 2) / (p * n))[likely].sum()
  freedom = likely.sum()
  assert abs(chi - freedom) < 5 * np.sqrt(2 * freedom)


@pytest.mark.parametrize("alive", [[0], [255], [256], [V - 1], [3, 255, 256, 1000]])
def test_a_token_that_is_cut_off_is_never_drawn(alive):
  logits = np.full((4000, V), -np.inf, np.float32)
  logits[:, alive] = 0.0
  drawn = np.asarray(draw(jax.random.split(jax.random.key(3), 4000), jnp.asarray(logits)))
  assert set(drawn.tolist()) == set(alive)


def test_rounding_beyond_the_last_sum_still_gives_a_token_with_mass():
  mass = jnp.array([[0.0, 0.5, 0.5, 0.0, 0.0]])
  for target, token in ((0.0, 1), (0.49, 1), (0.5, 2), (1.0, 2), (1.5, 2)):
    assert _first_above(jnp.cumsum(mass, -1), mass, jnp.array([target])).tolist() == [token]


def test_best_is_argmax_and_takes_the_first_of_equals():
  logits = _logits()
  logits[0, [3, 17]] = logits.max() + 1
  np.testing.assert_array_equal(best(jnp.asarray(logits)), logits.argmax(-1))


@pytest.mark.parametrize("temperature", [1e-6, 1e-19, 1e-21, 1e-37, 1e-39, 1e-46, 5e-324])
@pytest.mark.parametrize("others", [{}, {"top_k": 5}, {"top_p": 0.9}, {"top_k": 5, "top_p": 1e-46}])
def test_the_colder_the_surer(temperature, others):
  """Where float32 has no such number, or the logits over it would be infinite, as well."""
  logits = _logits(3) * 1e4
  sampling = Sampling(temperature, repetition_penalty=1e-6, **others)
  logits = penalize(jnp.asarray(logits), jnp.asarray(logits > 0), sampling.dials.repetition_penalty)
  chosen = choose(logits, jax.random.split(jax.random.key(0), 3), sampling.parts, sampling.dials)
  np.testing.assert_array_equal(chosen, logits.argmax(-1))


@pytest.mark.parametrize("top_k", [0, 5])
def test_a_mass_of_nearly_nothing_leaves_the_best_token(top_k):
  warped = _warped(Sampling(1.0, top_k, top_p=1e-46), _logits(3))
  np.testing.assert_array_equal(np.isfinite(warped).sum(-1), 1)


def test_the_hottest_draw_takes_any_token_that_is_left():
  warped = _warped(Sampling(1e300, top_k=3), _logits(3))
  np.testing.assert_array_equal(np.isfinite(warped).sum(-1) >= 3, True)
  assert not np.isnan(warped).any()


@pytest.mark.parametrize(
  "field,value",
  [("temperature", -0.1), ("temperature", float("nan")), ("top_k", -1), ("top_k", 2.5),
   ("top_k", float("inf")), ("top_p", 0.0), ("top_p", 1.1), ("repetition_penalty", 1e-7),
   ("repetition_penalty", 1e300)],
)  # fmt: skip
def test_values_out_of_range_are_named(field, value):
  with pytest.raises(InputError, match=rf"{field}=.* out of range: it must be"):
    Sampling(**{field: value})
