"""What a run says before it begins."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from ftjax.defaults import get_config
from ftjax.parallel.mesh import make_mesh
from ftjax.research import report


def _lines(changes, updates=10):
  config = get_config()
  config.update_from_flattened_dict(changes)
  opened = SimpleNamespace(checkpoint=SimpleNamespace(hf_config={"model_type": "llama"}))
  state = SimpleNamespace(
    trainable={"params": {"embed": jnp.zeros((4, 4))}}, frozen={}, ema=None, start=None
  )
  plan = SimpleNamespace(total=updates, eval_every=5)
  mesh = make_mesh(devices=jax.devices()[:1])
  return report.plan_lines(config, opened, state, plan, 1, 32.5, mesh, None)


@pytest.mark.parametrize(
  "changes, units, large, said",
  [
    ({}, True, 0, True),
    ({"model.compute_dtype": "bfloat16"}, True, 0, False),
    ({}, False, 0, False),  # no such instructions
    ({}, True, 1000, False),  # a model whose products are the lesser part
  ],
)
def test_a_processor_that_is_faster_in_bfloat16_is_told_of(
  monkeypatch, changes, units, large, said
):
  monkeypatch.setattr(report, "multiplies_bfloat16", lambda: units)
  monkeypatch.setattr(report, "LARGE", large)
  lines = _lines(changes)
  assert any("compute_dtype=bfloat16" in line for line in lines) == said


@pytest.mark.parametrize("rate, said", [(2e-5, True), (5e-4, False), (0.1, False)])
def test_a_rate_far_below_what_suits_the_model_is_told_of(rate, said):
  lines = "\n".join(_lines({"optim.learning_rate": rate}))
  assert ("2e-05 is 100 times below what suits a model of this size (0.002)" in lines) == said


@pytest.mark.parametrize("updates, said", [(4, True), (report.FEW, False)])
def test_a_run_of_few_updates_is_told_how_to_make_more(updates, said):
  assert ("--config.train.duration='100 steps'" in "\n".join(_lines({}, updates))) == said


def test_tokens_are_told_without_padding():
  assert "10 updates of 32 tokens on average (325 in all, without padding)" in "\n".join(_lines({}))
