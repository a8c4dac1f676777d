"""Checkpoints on disk: which ones stay."""

import jax.numpy as jnp

from ftjax.train.checkpoint import Checkpoints
from ftjax.train.state import TrainState


def test_the_best_checkpoint_outlives_a_restart(tmp_path, caplog):
  """Later ones come without a validation loss, and the folder is opened anew in between, as by a run
  that is stopped and goes on."""
  one = jnp.ones(())
  state = TrainState(one, {"params": {"a": one}}, {}, (), one)
  for steps, losses in (((1, 2), (0.5, 0.7)), ((3, 4), (None, None)), ((5, 6), (0.9, None))):
    checkpoints = Checkpoints(tmp_path, keep=1)
    for step, loss in zip(steps, losses, strict=True):
      checkpoints.save(state, step, {}, loss)
    checkpoints.close()
    assert checkpoints.steps() == [1, steps[-1]]
  assert not [r for r in caplog.records if "did not provide metrics" in r.getMessage()]
