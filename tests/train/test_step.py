"""Laws of one update: accumulation, packing, meshes, donation, one trace, what is frozen stays."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ftjax import tree
from ftjax.batch import Batch
from ftjax.models import lora
from ftjax.models.decoder import Decoder
from ftjax.models.families import llama
from ftjax.parallel import rules
from ftjax.parallel.mesh import make_mesh
from ftjax.train import optim
from ftjax.train.loop import put
from ftjax.train.state import init_state, shard_state
from ftjax.train.step import batch_sharding, compile_step, make_loss, nonfinite_rows
from tests.train import toy

CONFIG, VARIABLES = toy.model()


def start(trainable, frozen, mesh, decoder=None, rate=1e-2):
  """(state, compiled step) on a mesh."""
  schedule = optim.make_schedule("constant", rate, warmup=0, total=10)
  tx = optim.make_optimizer("adamw", schedule, weight_decay=0.1)
  copy = lambda variables: jax.device_put(
    jax.tree.map(np.array, variables), rules.shardings(variables, mesh)
  )
  places = shard_state(trainable, frozen, tx, functools.partial(rules.shardings, mesh=mesh), mesh)
  state = init_state(copy(trainable), copy(frozen), tx, 0, places)
  loss = make_loss(decoder or Decoder(CONFIG), chunk=16)
  return state, compile_step(mesh, places, loss, tx, schedule)


def run(batches, mesh=None, trainable=None, frozen=None, **kwargs):
  """(trainable after these batches as numpy, the last sums)."""
  mesh = mesh or make_mesh(devices=jax.devices()[:1])
  state, step = start(trainable or VARIABLES, frozen or {}, mesh, **kwargs)
  for batch in batches:
    state, sums = step(state, put(batch, batch_sharding(mesh)))
  return jax.tree.map(np.asarray, state.trainable), jax.tree.map(np.asarray, sums)


def assert_close(a, b, **kwargs):
  for (name, x), (_, y) in zip(tree.flatten(a).items(), tree.flatten(b).items(), strict=True):
    np.testing.assert_allclose(x, y, err_msg=name, **kwargs)


def test_accumulation_is_one_batch_as_many_times_as_large():
  whole = toy.batch(8, 20)
  parts = Batch(*(x.reshape(4, 2, 20) for x in whole))
  (a, sums_a), (b, sums_b) = run([whole, whole]), run([parts, parts])
  counts = parts.weights.sum((1, 2))
  assert counts.max() > 1.3 * counts.min()  # Else the mean of means would pass as well.
  np.testing.assert_allclose(sums_a.nll / sums_a.weight, sums_b.nll / sums_b.weight, rtol=1e-6)
  np.testing.assert_allclose(sums_a.grad_norm, sums_b.grad_norm, rtol=1e-5)
  assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_packed_rows_train_as_rows_alone():
  alone = toy.batch(4, 10)
  packed = Batch(*(x.reshape(1, 2, 20) for x in alone))
  segments = np.repeat([[[1] * 10 + [2] * 10]], 2, axis=1).astype(np.int32)
  (a, sums_a), (b, sums_b) = run([alone]), run([packed._replace(segments=segments)])
  np.testing.assert_allclose(sums_a.nll, sums_b.nll, rtol=1e-6)
  np.testing.assert_allclose(sums_a.grad_norm, sums_b.grad_norm, rtol=1e-5)
  assert_close(a, b, rtol=1e-3, atol=2e-4)  # Adam's first step turns rounding into signs


def test_padding_changes_nothing():
  short = toy.batch(3, 9)
  pad = lambda x: np.pad(x, [(0, 0), (0, 5), (0, 7)])
  (_, sums_a), (_, sums_b) = run([short]), run([Batch(*map(pad, short))])
  np.testing.assert_allclose(sums_a.nll, sums_b.nll, rtol=1e-6)
  np.testing.assert_allclose(sums_a.grad_norm, sums_b.grad_norm, rtol=1e-5)
  assert sums_a.tokens == sums_b.tokens == 27


MESHES = [(8, 1, 1), (1, 8, 1), (4, 1, 2), (1, 2, 4), (2, 2, 2)]
ALONE = [(False, MESHES[0]), (False, MESHES[3]), (True, MESHES[4])]  # the others are slow tests
TRAINED = [
  pytest.param(
    adapter, shape, id=f"{'lora' if adapter else 'full'}-{shape}",
    marks=() if (adapter, shape) in ALONE else pytest.mark.slow,
  )
  for adapter in (False, True) for shape in MESHES
]  # fmt: skip


@pytest.mark.parametrize(("adapter", "shape"), TRAINED)
def test_eight_devices_train_as_one(shape, adapter):
  one, sums_one = three_updates(adapter)
  eight, sums_eight = three_updates(adapter, shape)
  np.testing.assert_allclose(
    sums_one.nll / sums_one.weight, sums_eight.nll / sums_eight.weight, rtol=1e-5
  )
  np.testing.assert_allclose(sums_one.grad_norm, sums_eight.grad_norm, rtol=1e-4)
  assert_close(one, eight, rtol=1e-3, atol=2e-4)


@functools.cache
def three_updates(adapter: bool, shape=None):
  """run() of three batches, on one device or on a mesh of this shape."""
  trainable, frozen = split_lora() if adapter else (VARIABLES, {})
  batches = [toy.batch(8, 12, seed=i) for i in range(3)]
  return run(batches, shape and make_mesh(*shape), trainable=trainable, frozen=frozen)


def split_lora():
  targets = lora.choose(CONFIG, llama.weights(CONFIG), "all-linear")
  adapter = lora.init(jax.random.key(0), CONFIG, targets, rank=3, alpha=6.0)
  rng = np.random.default_rng(1)
  some = jax.tree.map(
    lambda x: x + 0.1 * rng.normal(size=x.shape).astype(np.float32), adapter["lora"]
  )
  return {"lora": some}, VARIABLES | {"lora_scale": adapter["lora_scale"]}


def test_the_frozen_base_does_not_change_by_one_bit_and_has_no_moments():
  trainable, frozen = split_lora()
  mesh = make_mesh(devices=jax.devices()[:1])
  state, step = start(trainable, frozen, mesh)
  for seed in range(2):
    state, _ = step(state, toy.batch(2, 8, seed=seed))
  for (name, before), after in zip(
    tree.flatten(frozen).items(), jax.tree.leaves(state.frozen), strict=True
  ):
    assert np.asarray(before).tobytes() == np.asarray(after).tobytes(), name
  assert tree.count(state.opt_state) < 2 * tree.count(trainable) + 10
  moved = [
    float(np.abs(a - b).max())
    for a, b in zip(jax.tree.leaves(trainable), jax.tree.leaves(state.trainable), strict=True)
  ]
  assert min(moved) > 0


def test_the_state_is_donated_and_the_step_traced_once():
  mesh = make_mesh(devices=jax.devices()[:1])
  state, step = start(VARIABLES, {}, mesh)
  for seed in range(3):
    old, batch = state, toy.batch(2, 8, seed=seed)
    state, _ = step(state, put(batch, batch_sharding(mesh)))
    assert all(x.is_deleted() for x in jax.tree.leaves(old.trainable))
  assert step.traces == 1


def test_the_loop_moves_nothing_between_host_and_device_in_silence():
  mesh = make_mesh(devices=jax.devices()[:1])
  state, step = start(VARIABLES, {}, mesh)
  batches = [put(toy.batch(2, 8, seed=s), batch_sharding(mesh)) for s in range(2)]
  state, _ = step(state, batches[0])
  with jax.transfer_guard("disallow"):
    step(state, batches[1])


@pytest.mark.parametrize("remat", ["dots", "block", "offload"])
def test_remat_changes_no_gradient(remat):
  np.testing.assert_allclose(gradient_norm("none"), gradient_norm(remat), rtol=1e-6)


@functools.cache
def gradient_norm(remat: str):
  return run([toy.batch(2, 9)], decoder=Decoder(CONFIG, remat=remat))[1].grad_norm


@pytest.mark.slow
def test_dropout_differs_by_step_and_not_by_run():
  trainable, frozen = split_lora()
  decoder = Decoder(CONFIG, dropout=0.5)
  same = [toy.batch(2, 9)]
  once, twice = (
    run(same, trainable=trainable, frozen=frozen, decoder=decoder)[1] for _ in range(2)
  )
  assert once.nll == twice.nll
  later = run(same * 2, trainable=trainable, frozen=frozen, decoder=decoder, rate=1e-12)[1]
  assert abs(float(later.nll) - float(once.nll)) > 1e-3


def test_rows_that_are_not_finite_are_found():
  weights = np.ones((2, 3, 8), np.float32)
  batch = toy.batch(6, 8, weights=np.ones((1, 6, 8), np.float32))
  batch = Batch(*(x.reshape(2, 3, 8) for x in batch))._replace(weights=weights)
  batch.weights[1, 2, 3] = np.inf
  _, sums = run([batch])
  assert nonfinite_rows(sums) == [(1, 2)]


def test_bfloat16_parameters_stay_bfloat16():
  half = jax.tree.map(lambda x: x.astype(jnp.bfloat16), VARIABLES)
  after, sums = run([toy.batch(2, 9)], trainable=half, decoder=Decoder(CONFIG, dtype=jnp.bfloat16))
  assert {str(x.dtype) for x in jax.tree.leaves(after)} == {"bfloat16"}
  assert sums.nll.dtype == np.float32 and np.isfinite(sums.nll)
