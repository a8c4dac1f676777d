"""Where metrics are mirrored: TensorBoard, and Weights & Biases, whose needs are said before training
and whose failures later cost the run nothing."""

import importlib.util
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ftjax.config import InputError
from ftjax.plugin import hidden


def check(project: str) -> None:
  """Raises InputError where log.wandb names a project and W&B is not installed."""
  if project and importlib.util.find_spec("wandb") is None:
    raise InputError(
      f"log.wandb={project!r} needs W&B, which is not installed: pip install wandb, or leave log.wandb empty."
    )


class Board:
  """A file of TensorBoard's events, written where `log` is called. tensorboardX's SummaryWriter has a
  thread for it, which meets a full disk with tracebacks of its own.

  start: the step that a run goes on from; what TensorBoard has of later ones is then dropped there.
  """

  def __init__(self, workdir: Path, start: int = 0):
    with hidden("torch"):  # It would load it, for seconds, for what is not used here.
      from tensorboardX.event_file_writer import EventsWriter
      from tensorboardX.proto import event_pb2
      from tensorboardX.summary import scalar
    self._event, self._scalar = event_pb2.Event, scalar
    self._file = EventsWriter(str(workdir / "events"))
    if start:
      again = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
      self._write(step=start + 1, session_log=again)

  def log(self, step: int, metrics: Mapping[str, float]) -> None:
    for name, value in metrics.items():
      self._write(step=step, summary=self._scalar(name, float(value)))
    self._file.flush()

  def close(self) -> None:
    self._file.close()

  def _write(self, **fields) -> None:
    self._file.write_event(self._event(wall_time=time.time(), **fields))


class Mirror:
  """A run of W&B, or nothing where no project is named.

  Raises InputError with what W&B says against beginning one. say: fn(text), for what it fails at later.
  """

  def __init__(self, project: str, workdir: Path, config: Any, say: Callable[[str], None]):
    self._run, self._say = None, say
    check(project)
    if not project:
      return
    import wandb

    try:
      self._run = wandb.init(project=project, dir=str(workdir), config=config, resume="allow")
    except Exception as e:  # W&B has errors of its own, of many kinds.
      raise InputError(
        f"log.wandb={project!r}: W&B does not begin ({type(e).__name__}: {e}). Log in with `wandb login`, set "
        "WANDB_MODE=offline, or leave log.wandb empty."
      ) from e

  def log(self, step: int, metrics: Mapping[str, float]) -> None:
    self._try(lambda run: run.log(dict(metrics), step=step))

  def close(self) -> None:
    self._try(lambda run: run.finish())

  def _try(self, act: Callable[[Any], None]) -> None:
    if self._run is None:
      return
    try:
      act(self._run)
    except Exception as e:
      self._say(
        f"W&B gets no more of this run ({type(e).__name__}: {e}); metrics.jsonl has it all."
      )
      self._run = None
