"""Every row counts once: sums against logits of the whole batch in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ftjax.batch import Batch, empty
from ftjax.config import InputError
from ftjax.evaluate import pmapped
from ftjax.evaluate.metrics import perplexity
from ftjax.evaluate.pmapped import make_evaluator
from ftjax.models import decoder
from ftjax.models.config import ModelConfig
from ftjax.models.rope import Rope
from ftjax.parallel import rules
from ftjax.parallel.mesh import make_mesh

CONFIG = ModelConfig(
  V=61, D=16, L=2, N=4, K=2, H=4, F=24, max_length=64, norm="rms", norm_eps=1e-5, activation="silu",
  gated=True, rope=Rope(10000.0, 4),
)  # fmt: skip
ROWS, T = 29, 13


@pytest.fixture(scope="module")
def variables():
  return jax.jit(lambda key: jax.tree.map(lambda x: x * 3, decoder.init(CONFIG, key)))(
    jax.random.key(0)
  )


@pytest.fixture(scope="module")
def rows():
  """Packed, padded rows with weights 0, 1 and in between; one without any weight."""
  rng = np.random.default_rng(0)
  batch = empty(ROWS, T)
  batch.tokens[:], batch.targets[:] = rng.integers(0, CONFIG.V, (2, ROWS, T))
  for r in range(ROWS):
    first, end = sorted(rng.integers(1, T + 1, 2))
    batch.segments[r, :first], batch.segments[r, first:end] = 1, 2
    batch.positions[r] = np.where(np.arange(T) < first, np.arange(T), np.arange(T) - first)
    batch.weights[r, :end] = rng.choice([0, 0.25, 1], end) * (r != 4)
  return batch


@pytest.fixture(scope="module")
def expected(variables, rows):
  model = decoder.Decoder(CONFIG)
  hidden, _ = model.apply(variables, rows.tokens, rows.positions, rows.segments)
  logits = np.asarray(decoder.logits(hidden, decoder.head(variables, CONFIG)), np.float64)
  target = np.take_along_axis(logits, rows.targets[..., None], -1)[..., 0]
  nll = np.log(np.exp(logits).sum(-1)) - target
  weights = rows.weights.astype(np.float64)
  loss = (nll * weights).sum() / weights.sum()
  hits = (logits.argmax(-1) == rows.targets) * weights
  return {
    "loss": loss, "perplexity": np.exp(loss), "accuracy": hits.sum() / weights.sum(),
    "tokens": weights.sum(),
  }  # fmt: skip


def _batches(rows: Batch, size: int):
  for at in range(0, ROWS, size):
    part = Batch(*(x[at : at + size] for x in rows))
    yield Batch(*(np.pad(x, ((0, size - len(x)), (0, 0))) for x in part))


def _check(found, expected):
  assert found.keys() == expected.keys()
  for name, value in expected.items():
    assert found[name] == pytest.approx(value, rel=1e-6), name


@pytest.mark.parametrize("devices,size", [(1, 1), (1, 7), (2, 3), (2, 8), (8, 1), (8, 3), (8, 8)])
def test_the_result_depends_neither_on_devices_nor_on_batch_size(
  variables, rows, expected, devices, size
):
  score = make_evaluator(CONFIG, devices=jax.local_devices()[:devices])
  _check(score(variables, _batches(rows, size)), expected)


@pytest.mark.parametrize("sizes,size", [((2, 2, 2), 8), ((1, 8, 1), 3), ((1, 1, 4), 7)])
def test_a_mesh_gives_the_same(variables, rows, expected, sizes, size):
  mesh = make_mesh(*sizes, devices=jax.devices()[: int(np.prod(sizes))])
  placed = jax.device_put(variables, rules.shardings(variables, mesh))
  score = make_evaluator(CONFIG, partition="mesh", mesh=mesh)
  _check(score(placed, _batches(rows, size)), expected)


def test_chunks_change_nothing_and_no_logits_of_the_whole_batch_exist(
  variables, rows, expected, monkeypatch
):
  monkeypatch.setattr(perplexity, "CHUNK", 5 * 8)
  score = make_evaluator(CONFIG, devices=jax.local_devices()[:1])
  _check(score(variables, _batches(rows, 8)), expected)
  batch = next(_batches(rows, 8))

  def update(hidden):
    return perplexity.update(batch, pmapped.Hidden(hidden, decoder.head(variables, CONFIG)))

  lines = str(jax.make_jaxpr(update)(jnp.zeros((8, T, CONFIG.D))))
  assert f"[8,5,{CONFIG.V}]" in lines and f"[8,{T},{CONFIG.V}]" not in lines


def test_a_shape_is_compiled_once_and_transfers_are_explicit(variables, rows, monkeypatch):
  calls = []
  monkeypatch.setattr(
    perplexity, "update", lambda *args, real=perplexity.update: calls.append(1) or real(*args)
  )
  score = make_evaluator(CONFIG, devices=jax.local_devices()[:2])
  with jax.transfer_guard("disallow"):
    first = score(variables, _batches(rows, 4))
  assert score(variables, _batches(rows, 4)) == first and len(calls) == 1


def test_parameters_that_do_not_fit_are_named_in_bytes(variables, rows):
  class Small:
    device_kind = "toy"

    def memory_stats(self):
      return {"bytes_limit": 1000}

  with pytest.raises(
    InputError, match=r"take 123,456 bytes, .* has 1,000: .*evaluate.partition='mesh'"
  ):
    pmapped._check_fits(123_456, Small())


def test_bad_requests_are_explained(variables):
  with pytest.raises(
    InputError, match="evaluate.partition='both' is not known. Use one of: pmap, mesh"
  ):
    make_evaluator(CONFIG, partition="both")
  with pytest.raises(
    InputError, match="'perplexty' is not one of ftjax's metrics.*Did you mean 'perplexity'"
  ):
    make_evaluator(CONFIG, metrics=["perplexty"])
  with pytest.raises(InputError, match="'bleu' is not one on tokens: those are perplexity"):
    make_evaluator(CONFIG, metrics=["bleu"])
  with pytest.raises(InputError, match="no rows to evaluate on"):
    make_evaluator(CONFIG, devices=jax.local_devices()[:1])(variables, iter(()))
