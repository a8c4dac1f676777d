"""The training loop: dispatch an update, read the last one's numbers, and now and then evaluate
and save."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from ftjax import tree
from ftjax.batch import Batch
from ftjax.log import MetricsLog, ProgressLine
from ftjax.train.checkpoint import Checkpoints
from ftjax.train.state import TrainState, Variables
from ftjax.train.step import Sums, nonfinite_rows
from ftjax.train.stopping import LOSS, Diverged, EarlyStopping, Objective, stop_signals


@dataclass(frozen=True)
class Plan:
  """How long to train, and every how many updates to do what (0 = never)."""

  total: int
  log_every: int = 10
  eval_every: int = 0
  save_every: int = 0


@dataclass
class Outcome:
  """How training ended: "done", "early" (patience), or the name of a signal."""

  state: TrainState
  step: int
  reason: str


@dataclass
class Window:
  """Sums since the last logged line."""

  began: float = field(default_factory=time.monotonic)
  nll: float = 0.0
  weight: float = 0.0
  tokens: int = 0
  kl: float = 0.0
  kl_weight: float = 0.0

  def add(self, sums: Sums) -> None:
    self.nll += float(sums.nll)
    self.weight += float(sums.weight)
    self.tokens += int(sums.tokens)
    if sums.kl is not None:
      self.kl += float(sums.kl)
      self.kl_weight += float(sums.kl_weight)

  def metrics(self, sums: Sums) -> dict[str, float]:
    """The line's numbers: the window's token-weighted loss and rates, the last update's norm and
    learning rate."""
    seconds = max(time.monotonic() - self.began, 1e-9)
    return {
      "train/loss": self.nll / max(self.weight, 1e-9),
      "train/grad_norm": float(sums.grad_norm),
      "train/learning_rate": float(sums.learning_rate),
      "train/tokens_per_second": self.tokens / seconds,
      "train/supervised_tokens_per_second": self.weight / seconds,
    } | ({} if sums.kl is None else {"train/kl": self.kl / max(self.kl_weight, 1e-9)})


def put(batch: Batch, sharding) -> Batch:
  """This process's rows [A, B / processes, T] as global arrays [A, B, T]; as they are where they are
  that already (train/prefetch.py)."""
  if isinstance(batch.tokens, jax.Array):
    return batch
  if jax.process_count() == 1:
    return jax.device_put(batch, sharding)
  return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), batch)


def train(
  state: TrainState,
  step_fn: Callable[[TrainState, Batch], tuple[TrainState, Sums]],
  loader: Iterator,
  plan: Plan,
  *,
  sharding,
  log: MetricsLog,
  checkpoints: Checkpoints,
  stopping: EarlyStopping,
  evaluate: Callable[[Variables], dict[str, float]] | None = None,
  objective: Objective = LOSS,
  name_rows: Callable[[np.ndarray], str] = str,
  start: int = 0,
  base: Mapping[str, float] | None = None,
) -> Outcome:
  """Runs updates start + 1 .. plan.total; none where a run that stopped early goes on.

  loader yields (batch, rows) and has get_state(); its state is saved with each checkpoint.
  evaluate takes {collection: ...} and returns {"validation/loss": ..., "general/loss": ..., ...}; it
  runs before the first update too, so that every curve starts at the base model; objective says of
  its results which one is best. base: what it said then, of a run that goes on. name_rows describes
  the rows (of one micro batch and row) in a Diverged error.
  """
  line = ProgressLine(plan.total, start)
  window, pending, outcome, saved = Window(), None, None, None

  def read(pending) -> None:
    """Takes in the numbers of an earlier update; fails on those that are no numbers."""
    step, sums, rows = pending
    sums = jax.device_get(sums)
    window.add(sums)
    finite = np.isfinite(sums.nll) and np.isfinite(sums.grad_norm)
    if step % plan.log_every == 0 or step == plan.total or step == 1 or not finite:
      metrics = window.metrics(sums)
      log.write(step, metrics)
      line.update(step, metrics)
      window.__init__()
    else:
      line.update(step)
    if not finite:
      raise Diverged(_diverged(step, sums, rows, name_rows))

  def validate(step: int, state: TrainState) -> dict[str, float]:
    began = time.monotonic()
    found = evaluate(tree.merge(state.frozen, state.evaluated()))
    value = objective(found)
    best = value is not None and stopping.update(step, value)
    log.write(step, found)
    note = "  (best so far)" if best and step else ""
    line.say(f"step {step}  {described(found, base)}{note}")
    window.began += time.monotonic() - began
    return found

  def save(step: int, state: TrainState) -> None:
    nonlocal saved
    if saved != step:
      progress = {"data": data_state, "stopping": stopping.state(), "base": base or {}}
      checkpoints.save(state, step, progress, stopping.best_step)
      saved = step

  end = start if stopping.stop else plan.total
  with stop_signals() as signalled:
    try:
      data_state: Any = loader.get_state()
      if evaluate and start == 0:
        base = validate(0, state)
      for step in range(start + 1, end + 1):
        batch, rows = next(loader)
        state, sums = step_fn(state, put(batch, sharding))
        if pending:
          read(pending)
        pending, data_state = (step, sums, rows), loader.get_state()
        last = step == plan.total
        evaluating = evaluate and (last or _due(step, plan.eval_every))
        if evaluating or _due(step, plan.save_every) or last or signalled(step):
          read(pending)  # Nothing is judged or saved before its numbers are known to be numbers.
          pending = None
        if evaluating:
          validate(step, state)
        improved = evaluating and stopping.best_step == step
        if improved or last or _due(step, plan.save_every) or signalled(step) or stopping.stop:
          save(step, state)
        if signalled(step) or stopping.stop or last:
          reason = signalled(step) or ("done" if last else "early")
          outcome = Outcome(state, step, reason)
          if reason == "early":
            line.say(
              f"Stopped early after step {step}: eval.patience={stopping.patience} evaluations brought no improvement"
              f"{f' of eval.min_delta={stopping.min_delta:g}' if stopping.min_delta else ''}. "
              f"The best is that of step {stopping.best_step}."
            )
          break
      checkpoints.wait()
    finally:
      line.close()
  return outcome or Outcome(state, start, "done" if end == plan.total else "early")


def described(found: Mapping[str, float], base: Mapping[str, float] | None) -> str:
  """An evaluation in a line: the loss on the validation rows, and on general text beside the
  base's."""
  parts = []
  if "validation/loss" in found:
    parts.append(
      f"validation loss {found['validation/loss']:.4f}  perplexity {found['validation/perplexity']:.2f}"
    )
  if "general/loss" in found:
    before = f" (base {base['general/loss']:.4f})" if base else ""
    parts.append(f"general loss {found['general/loss']:.4f}{before}")
  return "  ".join(parts)


def _due(step: int, every: int) -> bool:
  return every > 0 and step % every == 0


def _diverged(step: int, sums: Sums, rows: np.ndarray, name_rows) -> str:
  """What went wrong, where, and what to try."""
  bad = nonfinite_rows(sums)
  where = rows[tuple(np.asarray(bad).T)] if bad and rows.ndim == 2 else np.ravel(rows)
  what = "the loss" if bad else "the gradient"
  return (
    f"Diverged at step {step}: {what} is not a number. Rows: {name_rows(np.ravel(where))}. Nothing was saved after the "
    "last good checkpoint. Lower optim.learning_rate, lengthen optim.warmup, or look at these rows."
  )
