"""Checkpoints on disk: which ones stay."""

import json
import math

import jax.numpy as jnp
import pytest

from ftjax.train.checkpoint import Checkpoints, restore_trainable
from ftjax.train.state import TrainState
from ftjax.train.stopping import EarlyStopping

NAN = math.nan
RULES = {  # (min_delta, losses of steps 1, 2, ...; None = not evaluated, best step)
  "falling": (0.0, (3.0, 2.0, 1.0), 3),
  "rising": (0.0, (1.0, 2.0, 3.0, 4.0), 1),
  "small steps": (0.01, (1.0, 0.995, 0.994, 0.993, 0.992), 5),
  "none is large enough": (2.0, (3.0, 2.0, 2.5, 2.6, 2.7), 2),
  "equal": (0.0, (1.0, 1.0, 1.0, 1.0), 1),
  "NaN later": (0.0, (1.0, NAN, NAN, NAN), 1),
  "NaN first": (0.0, (NAN, NAN, 3.0, 4.0, NAN, 5.0), 3),
  "NaN alone": (0.0, (NAN, NAN, NAN), -1),
  "infinite": (0.0, (math.inf, 7.0, math.inf, 8.0), 2),
  "not evaluated": (0.0, (0.5, None, 0.7, None, None), 1),
}


@pytest.fixture(scope="module")
def state():
  one = jnp.ones(())
  return TrainState(one, {"params": {"a": one}}, {}, (), one)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("restarts", [False, True])
def test_the_best_step_has_a_checkpoint(tmp_path, state, name, restarts):
  """The rule that names it also keeps it, beside the newest; through restarts after every step too."""
  min_delta, losses, best = RULES[name]
  rule, checkpoints = EarlyStopping(0, min_delta), Checkpoints(tmp_path, keep=1)
  for step, loss in enumerate(losses, 1):
    if restarts:
      checkpoints.close()
      checkpoints, memory = Checkpoints(tmp_path, keep=1), rule.state()
      rule = EarlyStopping(0, min_delta)
      rule.restore(json.loads(json.dumps(memory, allow_nan=False)))
    if loss is not None:
      rule.update(step, loss)
    checkpoints.save(state, step, {"stopping": rule.state()}, rule.best_step)
  checkpoints.close()
  assert rule.best_step == best
  assert checkpoints.steps() == sorted({best, len(losses)} - {-1})


def test_patience_waits_for_improvements_that_are_large_enough():
  rule = EarlyStopping(patience=3, min_delta=0.1)
  for step, loss in enumerate((NAN, 1.0, 0.95, 0.91, 0.85, 0.84, NAN)):
    rule.update(step, loss)
    assert not rule.stop  # 0.85 is 0.15 below 1.0, by small steps
  rule.update(7, 0.80)
  assert rule.stop and (rule.best, rule.best_step) == (0.80, 7)


def test_a_checkpoint_that_is_gone_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match="checkpoints/8/state is not there"):
    restore_trainable(tmp_path / "checkpoints", 8, {})
