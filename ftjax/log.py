"""Metrics: metrics.jsonl first, TensorBoard and W&B on top, a progress line for people; process 0
only."""

import contextlib
import json
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.progress import (
  BarColumn,
  DownloadColumn,
  MofNCompleteColumn,
  Progress,
  TextColumn,
  TimeRemainingColumn,
)

from ftjax import storage
from ftjax.tracking import Board, Mirror

METRICS = "metrics.jsonl"


class MetricsLog:
  """Appends {"step": ..., name: number, ...} lines to workdir/metrics.jsonl and mirrors them
  elsewhere.

  start: the step a resumed run goes on from; lines after it, written before the crash, are dropped.
  derive: numbers to add to a line, from those that it has.
  """

  def __init__(
    self,
    workdir: str | Path,
    *,
    start: int = 0,
    tensorboard: bool = True,
    wandb: str = "",
    config=None,
    derive: Callable[[Mapping[str, float]], dict[str, float]] | None = None,
  ):
    self._derive = derive or (lambda metrics: {})
    self._file = self._board = self._mirror = None
    if jax.process_index() != 0:
      return
    self._mirror = Mirror(wandb, Path(workdir), config, say)
    path = Path(workdir) / METRICS
    kept = [m for m in read(path) if m["step"] <= start] if start else []
    storage.write_text(path, "".join(map(as_line, kept)))
    self._file = open(path, "a", encoding="utf-8")
    if tensorboard:
      self._board = Board(Path(workdir), start)

  def write(self, step: int, metrics: Mapping[str, float]) -> None:
    """One line. Numbers that JSON cannot hold are written as the strings "nan", "inf" and
    "-inf"."""
    if not self._file:
      return
    metrics = dict(metrics) | self._derive(metrics)
    self._file.write(as_line({"step": step} | metrics))
    self._file.flush()
    if self._board:
      self._board.log(step, metrics)
    self._mirror.log(step, metrics)

  def close(self) -> None:
    """Flushes and closes every sink, whatever one of them meets."""
    with contextlib.ExitStack() as every:
      for sink in filter(None, (self._file, self._board, self._mirror)):
        every.callback(sink.close)


def read(path: str | Path) -> list[dict]:
  """The lines of a metrics.jsonl or evaluation.jsonl, in order: {"step": ..., name: number, ...}, also
  of numbers that JSON cannot hold.

  A line that is none is left out: the last one, which a crash may have cut short, without a word.
  """
  path = Path(path)
  lines = path.read_bytes().splitlines() if path.is_file() else []
  found = {number: _parsed(line) for number, line in enumerate(lines, 1) if line.strip()}
  if bad := [str(number) for number, m in found.items() if m is None and number < len(lines)]:
    more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
    say(f"{path}: {len(bad)} lines cannot be read and are left out ({', '.join(bad[:5])}{more}).")
  return [m for m in found.values() if m is not None]


_NOT_IN_JSON = {str(x): x for x in (math.nan, math.inf, -math.inf)}


def as_line(metrics: Mapping[str, float]) -> str:
  """A line that `read` reads; numbers that JSON cannot hold are the strings "nan", "inf" and "-inf"."""
  return json.dumps(_in_json(metrics), allow_nan=False) + "\n"


def as_json(scores: Mapping[str, Any]) -> str:
  """The text of an evaluation.json, which `scores` reads; with numbers as in `as_line`."""
  return json.dumps(_in_json(scores), indent=2, allow_nan=False) + "\n"


def scores(path: Path) -> dict[str, Any]:
  """What `as_json` wrote to a file."""
  return _from_json(json.loads(path.read_text(encoding="utf-8")))


def _in_json(value: Any) -> Any:
  if isinstance(value, Mapping):
    return {k: _in_json(v) for k, v in value.items()}
  if isinstance(value, list):
    return [_in_json(v) for v in value]
  value = value if isinstance(value, int) else float(value)
  return value if math.isfinite(value) else str(value)


def _from_json(value: Any) -> Any:
  if isinstance(value, dict):
    return {k: _from_json(v) for k, v in value.items()}
  if isinstance(value, list):
    return [_from_json(v) for v in value]
  return _NOT_IN_JSON.get(value, value) if isinstance(value, str) else value


def _parsed(line: bytes) -> dict | None:
  """What `as_line` wrote; None where it is something else."""
  try:
    found = json.loads(line)
  except ValueError:  # UnicodeDecodeError too
    return None
  if not isinstance(found, dict) or not isinstance(found.get("step"), int):
    return None
  found = _from_json(found)
  return found if all(isinstance(v, int | float) for v in found.values()) else None


class ProgressLine:
  """Where a run is: a live bar on a terminal, plain lines elsewhere (a file, a notebook's output,
  a pod's log)."""

  def __init__(self, total: int, start: int = 0, console: Console | None = None):
    self._console = console or Console(file=sys.stderr)
    self._total = total
    self._first: tuple[int, float] | None = None  # the first update that ended, and when
    self._quiet = jax.process_index() != 0
    self._bar = None
    if self._console.is_terminal and not self._quiet:
      self._bar = Progress(
        TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[numbers]}"),
        TimeRemainingColumn(compact=True), console=self._console,
      )  # fmt: skip
      self._task = self._bar.add_task("", total=total, completed=start, numbers="compiling")
      self._bar.start()

  def update(self, step: int, metrics: Mapping[str, float] | None = None) -> None:
    """Moves the bar; with metrics, shows loss, tokens a second and the learning rate beside it."""
    if self._quiet:
      return
    numbers = ""
    if metrics:
      numbers = (
        f"loss {metrics['train/loss']:.4f}  {metrics['train/tokens_per_second']:,.0f} tokens/s  "
        f"lr {metrics['train/learning_rate']:.2e}"
      )
    if self._bar:
      self._bar.update(self._task, completed=step, **({"numbers": numbers} if numbers else {}))
    elif numbers:
      self.say(f"step {step}/{self._total}  {numbers}{self._left(step)}")
    self._first = self._first or (step, time.monotonic())

  def _left(self, step: int) -> str:
    """The time left, by the updates since the first: compilation is in that one, and says nothing of
    the others."""
    if self._first is None or step <= self._first[0]:
      return ""
    first, began = self._first
    return f"  {(time.monotonic() - began) / (step - first) * (self._total - step):.0f} s left"

  def say(self, text: str) -> None:
    """A line of its own, above the bar."""
    if not self._quiet:
      self._console.print(text, highlight=False, markup=False, soft_wrap=True)

  def close(self) -> None:
    """Stops the live bar."""
    if self._bar:
      self._bar.stop()


class Transfer:
  """How far the reading or writing of many bytes is, on process 0: from its second second on a
  live bar on a terminal; elsewhere one line at the end.

  what: as in "reading MODEL". total: bytes. `add` may be called from several threads.
  """

  def __init__(self, what: str, total: int, console: Console | None = None):
    self._console = console or Console(file=sys.stderr)
    self._what, self._total, self._began = what, total, time.monotonic()
    self._done, self._bar, self._lock = 0, None, threading.Lock()
    self._quiet = jax.process_index() != 0

  def add(self, nbytes: int) -> None:
    """So many bytes more are done."""
    with self._lock:
      self._done += nbytes
      if self._bar:
        self._bar.update(self._task, completed=self._done)
      elif self._console.is_terminal and not self._quiet and self._seconds > 1:
        columns = TextColumn(self._what), BarColumn(), DownloadColumn(), TimeRemainingColumn()
        self._bar = Progress(*columns, console=self._console)
        self._task = self._bar.add_task("", total=self._total, completed=self._done)
        self._bar.start()

  @property
  def _seconds(self) -> float:
    return time.monotonic() - self._began

  def __enter__(self) -> "Transfer":
    return self

  def __exit__(self, kind, *_) -> None:
    if self._bar:
      self._bar.stop()
    elif kind is None and not self._quiet and self._seconds > 1:
      text = f"{self._what}: {self._done / 1e9:.2f} GB in {self._seconds:.1f} s"
      self._console.print(text, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def skip_on_error(what: str, again: str, together: bool = False) -> Iterator[None]:
  """Runs a step that only measures or shows: a failure is said in one line, and what comes after the
  step goes on.

  what: the step, as in "Writing samples". again: how it is repeated. together: all processes take part
  in it; then a failure ends them, as the others would wait for this one.
  """
  try:
    yield
  except Exception as e:
    if together and jax.process_count() > 1:
      raise
    why = " ".join(str(e).split()) or "no reason given"
    say(f"warning: {what} failed and was skipped ({type(e).__name__}: {why}). {again}")


def say(text: str) -> None:
  """Prints for people, on process 0."""
  if jax.process_index() == 0:
    Console(file=sys.stderr).print(text, highlight=False, markup=False, soft_wrap=True)
