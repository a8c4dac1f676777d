"""Orbax checkpoints inside a run: written in the background, whole or not at all, restored to the
last bit."""

import contextlib
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from etils import epath

from ftjax import storage
from ftjax.config import InputError
from ftjax.log import say
from ftjax.parallel import distributed
from ftjax.train.state import TrainState


class Checkpoints:
  """A folder of checkpoints `<step>/{state,progress}`: the newest `keep`, and the one that `save` was
  told is the best.

  state: step, trainable collections, optimizer state and key; the frozen base is read from its
  source again. progress: JSON, the data iterator's place and early stopping's memory.
  """

  def __init__(self, folder: str | Path, keep: int = 2):
    self.folder = Path(folder).absolute()
    self._kept = _Kept(max(1, keep))
    options = ocp.CheckpointManagerOptions(preservation_policy=self._kept)
    logging.getLogger("absl").addFilter(_unless_raised)
    handlers = {"state": ocp.PyTreeCheckpointHandler(), "progress": ocp.JsonCheckpointHandler()}
    self._manager = ocp.CheckpointManager(self.folder, options=options, item_handlers=handlers)

  def steps(self) -> list[int]:
    """Steps of all whole checkpoints, ascending."""
    self._manager.reload()
    return sorted(self._manager.all_steps())

  def save(self, state: TrainState, step: int, progress: dict[str, Any], best: int = -1) -> None:
    """Starts writing; earlier writes are waited for first. Does nothing if `step` is there
    already. best: the step whose checkpoint stays as long as no other one is named
    (stopping.EarlyStopping); -1 = none."""
    if step in self._manager.all_steps():
      return
    self._kept.best = best
    with self._explained():
      self._manager.save(
        step,
        args=ocp.args.Composite(
          state=ocp.args.PyTreeSave(_saved(state)), progress=ocp.args.JsonSave(progress)
        ),
      )

  def wait(self) -> None:
    """Returns when everything is on disk."""
    with self._explained():
      self._manager.wait_until_finished()

  def restore(self, state: TrainState, step: int) -> tuple[TrainState, dict[str, Any]]:
    """(the state of `step`, in `state`'s shardings and dtypes; its progress). `state` may hold
    shape structs."""
    target = _saved(state)
    args = ocp.args.Composite(
      state=ocp.args.PyTreeRestore(
        item=target, restore_args=ocp.checkpoint_utils.construct_restore_args(target)
      ),
      progress=ocp.args.JsonRestore(),
    )
    found = self._manager.restore(step, args=args)
    return state._replace(**found["state"]), found["progress"]

  def restore_newest(self, state: TrainState) -> tuple[TrainState, dict[str, Any], int]:
    """(state, progress, step) of the newest checkpoint that is whole; (state, {}, 0) where there are
    none at all.

    Damaged ones are named and moved out of the folder, as the run will write their steps again. Raises
    InputError where none is whole; of several processes, each of which reads its own part, where the
    newest is damaged.
    """
    damaged: list[tuple[int, Exception]] = []
    steps = self.steps()[::-1]
    newest = distributed.from_first(max(steps, default=0))
    sys.unraisablehook = _unless_closed
    for step in steps if jax.process_count() == 1 else [newest] * (newest > 0):
      try:
        restored, progress = self.restore(state, step)
      except jax.errors.JaxRuntimeError:  # What went wrong is the device, as for want of memory.
        raise
      except Exception as e:  # What a damaged file makes of its readers can be anything.
        damaged.append((step, e))
        continue
      for bad, _ in damaged:
        aside = self.folder.parent / f"damaged-{self.folder.name}" / str(bad)
        storage.remove(aside)
        aside.parent.mkdir(exist_ok=True)
        (self.folder / str(bad)).rename(aside)
      if damaged:
        self._manager.reload()
        say(
          f"{_named(damaged)}. The run goes on from step {step}, the newest that is whole; what is damaged was "
          f"moved to {aside.parent}."
        )
      return restored, progress, step
    if damaged:
      raise InputError(
        f"{_named(damaged)}, and no older one is whole. Restore {self.folder} from a copy, or move "
        f"{self.folder / str(damaged[0][0])} away and run the same command."
      ) from damaged[0][1]
    return state, {}, 0

  def close(self) -> None:
    """Waits and lets go."""
    self.wait()
    self._manager.close()

  @contextlib.contextmanager
  def _explained(self):
    """Turns a write that failed, here or in Orbax's threads, into one message: most often the disk is
    full. Whole checkpoints stay as they are."""
    try:
      yield
    except (OSError, ValueError, RuntimeError) as e:
      last = max(self.steps(), default=None)
      kept = f" The checkpoint of step {last} is whole." if last else ""
      raise InputError(
        f"Writing a checkpoint in {self.folder} failed ({type(e).__name__}: {_short(e)}). Is the disk full? Make room "
        f"and run the same command.{kept}"
      ) from e


def _unless_raised(record: logging.LogRecord) -> bool:
  """Not the tracebacks that Orbax's threads log of errors which they raise here too."""
  return not (record.exc_info and "orbax" in record.pathname)


def _unless_closed(unraisable) -> None:
  """sys.unraisablehook, but for what TensorStore's threads still have to tell the event loop of a read
  that has failed: a traceback for each."""
  if "Event loop is closed" not in str(unraisable.exc_value):
    sys.__unraisablehook__(unraisable)


def _named(damaged: list[tuple[int, Exception]]) -> str:
  """Which checkpoints are damaged, and how the newest showed it."""
  steps, (_, e) = ", ".join(str(step) for step, _ in damaged), damaged[0]
  return f"The checkpoint of step {steps} is damaged ({type(e).__name__}: {_short(e)})"


def _short(e: BaseException) -> str:
  """An error's text in one line, without its middle: TensorStore tells what each of its layers met."""
  text = " ".join(str(e).split())
  return text if len(text) <= 200 else f"{text[:100]} ... {text[-100:]}"


@dataclass
class _Kept:
  """Orbax asks this after each save which checkpoints stay: the newest ones, and the best."""

  newest: int
  best: int = -1

  def should_preserve(self, checkpoints, *, context) -> list[bool]:
    first = len(checkpoints) - self.newest
    return [i >= first or info.step == self.best for i, info in enumerate(checkpoints)]


def _saved(state: TrainState) -> dict[str, Any]:
  """The part of the state that is written: what a run cannot read from its source again. An
  optimizer's nested tuples become plain, named containers."""
  read = ("frozen", "start")
  return {k: v for k, v in state._asdict().items() if k not in read and v is not None}


def restore_trainable(folder: str | Path, step: int, trainable):
  """The trainable collections of one checkpoint alone, in the shardings and dtypes of `trainable`
  (arrays or shape structs), as the run judged them: their average where it keeps one. Raises
  FileNotFoundError where there is no such checkpoint."""
  path = Path(folder).absolute() / str(step) / "state"
  if not path.is_dir():
    raise FileNotFoundError(f"{path} is not there")
  try:
    # A checkpointer's own metadata() warns of a file that parts of a checkpoint never have.
    found = ocp.PyTreeCheckpointHandler().metadata(epath.Path(path)).tree
    with ocp.PyTreeCheckpointer() as reader:
      part = "ema" if "ema" in found else "trainable"
      target = {part: trainable}
      args = ocp.args.PyTreeRestore(
        item=target,
        restore_args=ocp.checkpoint_utils.construct_restore_args(target),
        partial_restore=True,
      )
      return reader.restore(path, args=args)[part]
  except jax.errors.JaxRuntimeError:
    raise
  except Exception as e:  # as in restore_newest
    raise InputError(
      f"{_named([(step, e)])}. Restore {path.parent} from a copy, or train again in another --workdir."
    ) from e


def abstract(tree):
  """Shape structs with shardings in place of arrays."""
  return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), tree)
