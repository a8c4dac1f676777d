"""Checkpoints on disk: which ones stay."""

import json
import math
import shutil

import jax
import jax.numpy as jnp
import pytest

from ftjax.config import InputError
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


def state_of(step):
  x = jnp.full((8, 4), float(step))
  return TrainState(jnp.int32(step), {"params": {"a": x}}, {}, (x,), jnp.zeros(2, jnp.uint32))


@pytest.fixture
def folder(tmp_path):
  """Checkpoints of steps 2 and 4."""
  checkpoints = Checkpoints(tmp_path / "checkpoints")
  for step in (2, 4):
    checkpoints.save(state_of(step), step, {"data": step})
  checkpoints.close()
  return tmp_path / "checkpoints"


def cut(step):
  path = step / "state" / "manifest.ocdbt"
  path.write_bytes(path.read_bytes()[:20])


DAMAGES = {
  "cut": cut,
  "without progress": lambda step: shutil.rmtree(step / "progress"),
  "empty": lambda step: (shutil.rmtree(step), step.mkdir()),
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_newest_whole_one_is_used(folder, damage, capsys):
  DAMAGES[damage](folder / "4")
  checkpoints = Checkpoints(folder)
  state, progress, step = checkpoints.restore_newest(state_of(0))
  assert (step, int(state.step), progress["data"]) == (2, 2, 2)
  assert float(jax.device_get(state.trainable["params"]["a"]).mean()) == 2.0
  said = capsys.readouterr().err
  assert "checkpoint of step 4 is damaged" in said and "goes on from step 2" in said
  assert [p.name for p in (folder.parent / "damaged-checkpoints").iterdir()] == ["4"]
  checkpoints.save(state_of(4), 4, {"data": 4})  # The run comes there again.
  checkpoints.wait()
  assert checkpoints.restore_newest(state_of(0))[2] == 4
  checkpoints.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_damage_everywhere_is_a_message(folder):
  for step in ("2", "4"):
    cut(folder / step)
  checkpoints = Checkpoints(folder)
  with pytest.raises(InputError, match="of step 4, 2 is damaged .*no older one is whole. Restore"):
    checkpoints.restore_newest(state_of(0))
  with pytest.raises(InputError, match="of step 2 is damaged .*Restore .*2 from a copy"):
    restore_trainable(folder, 2, {"params": {"a": jnp.zeros((8, 4))}})
  assert sorted(p.name for p in folder.iterdir()) == ["2", "4"], "nothing was moved"
  checkpoints.close()


def test_no_checkpoint_is_the_start(tmp_path):
  checkpoints = Checkpoints(tmp_path / "checkpoints")
  assert checkpoints.restore_newest(state_of(7))[1:] == ({}, 0)
  checkpoints.close()
