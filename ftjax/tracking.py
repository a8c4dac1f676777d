"""Weights & Biases, as a mirror of a run: what it needs is said before training, and what it fails at
later costs the run nothing."""

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ftjax.config import InputError


def check(project: str) -> None:
  """Raises InputError where log.wandb names a project and W&B is not installed."""
  if project and importlib.util.find_spec("wandb") is None:
    raise InputError(
      f"log.wandb={project!r} needs W&B, which is not installed: pip install wandb, or leave log.wandb empty."
    )


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
