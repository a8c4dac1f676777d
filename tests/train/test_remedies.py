"""Laws of what keeps a model near its base: each alone, in an update."""

import functools
from dataclasses import replace

import jax
import numpy as np
import optax
import pytest

from ftjax import tree
from ftjax.batch import GENERAL, Batch
from ftjax.config import InputError
from ftjax.models.decoder import Decoder
from ftjax.models.embed import Embed
from ftjax.parallel import rules
from ftjax.parallel.mesh import make_mesh
from ftjax.train import optim
from ftjax.train.interpolate import between
from ftjax.train.loop import put
from ftjax.train.remedies import Remedies
from ftjax.train.state import init_state, shard_state
from ftjax.train.step import batch_sharding, compile_step, make_loss
from tests.train import toy
from tests.train.test_step import split_lora

CONFIG, VARIABLES = toy.model()
RATE = 1e-2


@functools.cache
def program(remedies, lora, sizes):
  """(trainable, frozen, optimizer, places, step, mesh); one compilation for the tests that share it."""
  trainable, frozen = split_lora() if lora else (VARIABLES, {})
  if lora:  # as new: the identity
    named = tree.flatten(trainable)
    trainable = tree.unflatten({n: x * 0 if n.endswith("/b") else x for n, x in named.items()})
  mesh = make_mesh(*sizes, devices=jax.devices()[: np.prod(sizes)])
  schedule = optim.make_schedule("constant", RATE, warmup=0, total=10)
  name = optim.SCHEDULE_FREE if remedies.schedule_free else "adamw"
  tx = optim.make_optimizer(name, schedule)
  keeps = dict(ema=remedies.average, start=remedies.start)
  shardings = functools.partial(rules.shardings, mesh=mesh)
  places = shard_state(trainable, frozen, tx, shardings, mesh, **keeps)
  step = compile_step(mesh, places, make_loss(Decoder(CONFIG), chunk=16), tx, schedule, remedies)
  return trainable, frozen, tx, places, step, mesh


def run(batches, remedies, lora=False, sizes=(1, 1, 1)):
  """(the states after each of these batches, their sums)."""
  remedies = replace(remedies, identity=lora)
  trainable, frozen, tx, places, step, mesh = program(remedies, lora, sizes)
  copy = lambda v: jax.device_put(jax.tree.map(np.array, v), rules.shardings(v, mesh))
  state = init_state(copy(trainable), copy(frozen), tx, 0, places)
  states, every = [], []
  for batch in batches:
    state, sums = step(state, put(batch, batch_sharding(mesh)))
    states.append(jax.tree.map(np.array, state))
    every.append(jax.tree.map(np.asarray, sums))
  return states, every


def leaves(a, b):
  return zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)


@pytest.mark.parametrize("lora", [pytest.param(False, marks=pytest.mark.slow), True])
def test_divergence_starts_at_zero_grows_and_holds_the_model_back(lora):
  batches = [toy.batch(2, 9)] * 3
  _, loose = run(batches, Remedies(kl=1e-9), lora)
  states, sums = run(batches, Remedies(kl=30.0), lora)
  assert abs(sums[0].kl) < 1e-4 < sums[1].kl / sums[1].kl_weight
  assert sums[2].kl < loose[2].kl
  assert (states[-1].start is None) == lora  # no second copy of the base under an adapter


def test_divergence_over_replayed_tokens_alone():
  batch = toy.batch(4, 10)
  segments = batch.segments.copy()
  segments[:, 2:] += GENERAL
  marked = batch._replace(segments=segments)
  two = lambda remedies, b: run([b, b], remedies)[1][1]
  alone = two(Remedies(kl=1e-9, general=True), marked)
  np.testing.assert_allclose(alone.kl_weight, batch.weights[:, 2:].sum())
  everything = two(Remedies(kl=1e-9), marked)
  assert alone.kl_weight < everything.kl_weight == batch.weights.sum()
  assert 0 < alone.kl < everything.kl
  unmarked = two(Remedies(kl=1e-9), batch)  # the mark itself changes nothing
  np.testing.assert_allclose(unmarked.kl, everything.kl, rtol=1e-6)
  np.testing.assert_allclose(unmarked.nll, everything.nll, rtol=1e-6)


def test_divergence_under_accumulation_is_that_of_one_batch():
  whole = toy.batch(8, 12)
  parts = Batch(*(x.reshape(4, 2, 12) for x in whole))
  (_, a), (_, b) = (run([x, x], Remedies(kl=2.0)) for x in (whole, parts))
  np.testing.assert_allclose(a[1].kl, b[1].kl, rtol=1e-4)
  np.testing.assert_allclose(a[1].grad_norm, b[1].grad_norm, rtol=1e-4)


@pytest.mark.slow
def test_eight_devices_hold_the_model_back_as_one():
  batches = [toy.batch(8, 12, seed=i) for i in range(2)]
  remedies = Remedies(kl=2.0, l2sp=0.5, ema=0.5)
  (one, a), (eight, b) = (run(batches, remedies, sizes=sizes) for sizes in ((1, 1, 1), (2, 2, 2)))
  np.testing.assert_allclose(a[1].kl, b[1].kl, rtol=1e-3)
  np.testing.assert_allclose(a[1].grad_norm, b[1].grad_norm, rtol=1e-3)
  for x, y in leaves(one[-1].ema, eight[-1].ema):
    np.testing.assert_allclose(x, y, rtol=1e-3, atol=2e-4)


def test_l2sp_adds_rate_times_distance_from_the_start():
  batches = [toy.batch(2, 9)] * 2
  (free, _), (held, _) = run(batches, Remedies()), run(batches, Remedies(l2sp=3.0))
  for a, b in leaves(free[0].trainable, held[0].trainable):
    np.testing.assert_array_equal(a, b)  # there is no distance yet
  for start, one, a, b in zip(
    *map(jax.tree.leaves, (VARIABLES, free[0].trainable, free[1].trainable, held[1].trainable)),
    strict=True,
  ):
    np.testing.assert_allclose(a - b, RATE * 3.0 * (one - start), atol=1e-6)


def test_the_average_is_the_recurrence_and_is_what_is_judged():
  states, _ = run([toy.batch(2, 9, seed=i) for i in range(3)], Remedies(ema=0.2))
  expected = jax.tree.map(np.array, VARIABLES)
  for i, state in enumerate(states):
    decay = min(0.2, (1 + i) / (10 + i))
    expected = jax.tree.map(lambda a, x, d=decay: d * a + (1 - d) * x, expected, state.trainable)
    for judged, a, b in zip(
      *map(jax.tree.leaves, (state.evaluated(), state.ema, expected)), strict=True
    ):
      np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
      np.testing.assert_array_equal(judged, a)


def test_schedule_free_judges_its_own_average():
  """After one update the average is where the update led; later it is between where it was and there."""
  states, _ = run([toy.batch(2, 9, seed=i) for i in range(3)], Remedies(schedule_free=True))
  ends = [jax.tree.leaves(optax.tree.get(state.opt_state, "z")) for state in states]
  average = ends[0]
  for n, (state, end) in enumerate(zip(states, ends, strict=True), 1):
    average = [a + (z - a) / n for a, z in zip(average, end, strict=True)]
    for judged, y, a, z in zip(
      *map(jax.tree.leaves, (state.evaluated(), state.trainable)), average, end, strict=True
    ):
      np.testing.assert_allclose(judged, a, rtol=1e-5, atol=2e-6)
      np.testing.assert_allclose(y, 0.9 * a + 0.1 * z, rtol=1e-5, atol=2e-6)


def test_values_that_mean_nothing_are_refused():
  with pytest.raises(InputError, match="train.kl=-1 must be 0"):
    Remedies(kl=-1)
  with pytest.raises(InputError, match="optim.ema=1.0 must be at least 0 .* and below 1"):
    Remedies(ema=1.0)


def test_neftune_noise_has_its_size_by_document_and_is_for_training_alone():
  embed = Embed(CONFIG, np.float32, 0.0, noise=5.0)
  params = {"params": {"tokens": VARIABLES["params"]["embed"]["tokens"]}}
  tokens = np.arange(20, dtype=np.int32)[None] % 7
  positions = np.array([[*range(4), *range(16)]], np.int32)
  segments = np.array([[1] * 4 + [2] * 16], np.int32)
  call = functools.partial(embed.apply, params, tokens, positions, segments)
  clean = call(False)
  np.testing.assert_array_equal(clean, params["params"]["tokens"][tokens])
  noisy = call(True, rngs={"dropout": jax.random.key(0)})
  size = np.abs(np.asarray(noisy - clean))[0]
  D = size.shape[-1]
  for where, length in ((slice(0, 4), 4), (slice(4, 20), 16)):
    bound = 5.0 / (length * D) ** 0.5
    assert 0.8 * bound < size[where].max() <= bound * 1.0001
    assert abs(size[where].mean() / bound - 0.5) < 0.1


def test_between_base_and_tuned_lies_the_straight_line_and_a_scaled_adapter():
  start = {"params": {"x": np.float32([1, 2])}}
  tuned = {"params": {"x": np.float32([3, 6])}}
  assert between(start, tuned)(0.25)["params"]["x"].tolist() == [1.5, 3]
  assert between(start, tuned)(1.0)["params"]["x"] is tuned["params"]["x"]
  pair = lambda a, b: {"lora": {"q": {"a": np.float32([a]), "b": np.float32([b])}}}
  value = lambda found: [float(found["lora"]["q"][k][0]) for k in "ab"]
  assert value(between(pair(2, 0), pair(3, 4))(0.5)) == [3, 2]
  assert value(between(pair(0, 2), pair(3, 4))(0.5)) == [1.5, 4]
  assert value(between(pair(1, 2), pair(3, 4))(0.5)) == [2, 3]  # an adapter that was gone on with
