"""A run that grows while it is watched."""

import pytest

from ftjax.evaluate.follow import follow


class Run:
  """A fake run folder: each sleep lets it write more; `gone` checkpoints are listed and cannot be
  read, for which each has its error."""

  def __init__(self, script, gone=None):
    self.script, self.gone = list(script), gone or {}
    self.steps, self.over = self.script.pop(0), False

  def sleep(self, seconds):
    if self.script:
      self.steps = self.script.pop(0)
    else:
      self.over = True

  def load(self, step):
    if step in self.gone:
      raise self.gone[step](step)
    return {"step": step}

  def follow(self, **kwargs):
    evaluate = lambda variables: {"loss": variables["step"] / 10}
    return list(
      follow(lambda: self.steps, self.load, evaluate, lambda: self.over, sleep=self.sleep, **kwargs)
    )


def test_every_checkpoint_is_evaluated_once_and_in_order():
  run = Run([[], [10], [10], [20, 10], [40, 30]])
  assert run.follow() == [(s, {"loss": s / 10}) for s in (10, 20, 30, 40)]


@pytest.mark.parametrize("error", [FileNotFoundError, ValueError, RuntimeError])
def test_done_steps_are_skipped_and_unreadable_ones_passed_over(capsys, error):
  assert [s for s, _ in Run([[1, 2, 3, 4]], gone={3: error}).follow(skip=(1,))] == [2, 4]
  told = capsys.readouterr().err
  assert f"Reading the checkpoint of step 3 failed and was skipped ({error.__name__}" in told


def test_what_the_run_writes_just_before_its_end_is_found():
  run = Run([[10]])

  def list_steps():  # Right after the first listing the run writes its last checkpoint and ends.
    listed, run.steps, run.over = run.steps, [10, 20], True
    return listed

  found = follow(list_steps, run.load, lambda v: v, lambda: run.over, sleep=lambda seconds: None)
  assert [s for s, _ in found] == [10, 20]
