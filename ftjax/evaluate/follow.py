"""Evaluation beside a training run that shares nothing with it but files."""

import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

from ftjax.log import skip_on_error


def follow(
  list_steps: Callable[[], Collection[int]],
  load: Callable[[int], Any],
  evaluate: Callable[[Any], dict[str, float]],
  finished: Callable[[], bool],
  *,
  skip: Collection[int] = (),
  poll_seconds: float = 5.0,
  sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[int, dict[str, float]]]:
  """Yields (step, metrics) for every checkpoint as it appears, and returns when the run is finished
  and none is left.

  list_steps: steps of checkpoints. load(step): variables; a checkpoint for which it fails, such as one
  that the run deletes at that moment, is named and passed over. finished: whether the run will write
  no more. skip: steps that need no evaluation (again).
  """
  seen = set(skip)
  while True:
    last = finished()  # Asked before looking: what was written before the end is still found.
    for step in sorted(set(list_steps()) - seen):
      seen.add(step)
      variables = None
      with skip_on_error(f"Reading the checkpoint of step {step}", "The others are evaluated."):
        variables = load(step)
      if variables is not None:
        yield step, evaluate(variables)
        del variables
    if last:
      return
    sleep(poll_seconds)
