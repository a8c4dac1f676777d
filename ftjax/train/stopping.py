"""When to stop: what the best evaluation is, early stopping, signals, and numbers that are no longer
numbers."""

import contextlib
import math
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

import jax
from jax.experimental import multihost_utils

from ftjax.config import InputError


class Diverged(ArithmeticError):
  """The loss or the gradient is NaN or Inf; the message names the step and the rows. Scripts exit
  with status 4."""


@dataclass(frozen=True)
class Objective:
  """What the best evaluation has the least of: the validation loss, plus `general` times the loss on
  general text. (Its rise over the base's loss would choose alike: the base's is a constant.)"""

  general: float = 0.0

  @classmethod
  def parse(cls, text: str) -> "Objective":
    """Reads "loss" or "loss + 0.5 general". Raises InputError for anything else."""
    found = re.fullmatch(r"loss(?:\+([0-9]*\.?[0-9]+)\*?general)?", re.sub(r"\s", "", str(text)))
    if not found:
      raise InputError(
        f"eval.objective={text!r} is not known. Use 'loss' (the validation loss), or 'loss + 0.5 general' "
        "with a weight of your own for the loss on eval.general."
      )
    return cls(float(found[1] or 0))

  def __call__(self, found: Mapping[str, float]) -> float | None:
    """The objective of an evaluation's metrics; None where nothing was validated on."""
    if "validation/loss" not in found:
      return None
    return found["validation/loss"] + self.general * found.get("general/loss", 0.0)


LOSS = Objective()


@dataclass
class EarlyStopping:
  """Which evaluation is the best, and Prechelt's (1998) simplest rule: stop after `patience`
  evaluations without an improvement of more than `min_delta`.

  The best has the least objective; of equal ones it is the first, and it is never one that is no
  number (best_step = -1: there is none). This rule alone says which checkpoint is kept for best/.
  Improvements are measured from the last one that was large enough, `mark`. patience = 0 never stops.
  """

  patience: int
  min_delta: float = 0.0
  best: float = math.inf
  best_step: int = -1
  mark: float = math.inf
  waited: int = 0

  def update(self, step: int, loss: float) -> bool:
    """Takes in one evaluation's objective; True if it is the best so far."""
    if loss < self.mark - self.min_delta:
      self.mark, self.waited = loss, 0
    else:
      self.waited += 1
    better = loss < self.best  # Of NaN neither is true.
    if better:
      self.best, self.best_step = loss, step
    return better

  @property
  def stop(self) -> bool:
    """Whether patience is at its end."""
    return 0 < self.patience <= self.waited

  def state(self) -> dict:
    """What a resumed run needs, as JSON."""
    return {k: None if v == math.inf else v for k, v in asdict(self).items()}

  def restore(self, state: dict) -> None:
    """Takes back what `state` returned; patience and min_delta stay as they are."""
    self.best, self.mark = (math.inf if state[k] is None else state[k] for k in ("best", "mark"))
    self.best_step, self.waited = state["best_step"], state["waited"]


@contextlib.contextmanager
def stop_signals() -> Iterator[Callable[[int], str | None]]:
  """Yields a function that says after an update (1, 2, ...) which of SIGTERM and SIGINT has come, or
  None. A second one acts as usual.

  Of several processes all hear of a signal to one of them, and agree on the update to stop after.
  """
  if jax.process_count() > 1:
    with _of_all() as signalled:
      yield signalled
    return
  came: list[int] = []

  def handle(number, frame):
    came.append(number)
    signal.signal(number, old[number])

  old = {}
  try:
    for number in (signal.SIGTERM, signal.SIGINT):
      old[number] = signal.signal(number, handle)
  except ValueError:  # Not the main thread: a notebook's or a server's own handling stays.
    old.clear()
  try:
    yield lambda step: signal.Signals(came[-1]).name if came else None
  finally:
    for number, handler in old.items():
      signal.signal(number, handler)


@contextlib.contextmanager
def _of_all() -> Iterator[Callable[[int], str | None]]:
  """stop_signals for several processes. JAX catches SIGTERM from the moment that they have met, tells
  the others, and names an update that none of them has done yet; Ctrl-C is made one."""
  last, reached = 0, False

  def signalled(step: int) -> str | None:
    nonlocal last, reached
    if step != last:  # Each update is to be told once.
      last, reached = step, multihost_utils.reached_preemption_sync_point(step)
    return "SIGTERM" if reached else None

  old = signal.signal(signal.SIGINT, lambda *_: signal.raise_signal(signal.SIGTERM))
  try:
    yield signalled
  finally:
    signal.signal(signal.SIGINT, old)
