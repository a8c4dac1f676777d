"""A whole run in order: data, model, mesh, step, loop, then the best model written, judged and
shown."""

import contextlib
import functools
import math
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict

from ftjax import fitting, storage, tracking
from ftjax.assembly import AUTO
from ftjax.config import Duration, InputError, check_keys, choice, positive
from ftjax.data import loader
from ftjax.data.versions import training
from ftjax.defaults import get_config
from ftjax.finish import finish
from ftjax.judging import make_judge, with_general
from ftjax.log import MetricsLog, say
from ftjax.models import matmul
from ftjax.models.adapters import starting
from ftjax.models.decoder import REMAT
from ftjax.models.quant import base as quant
from ftjax.parallel import distributed
from ftjax.parallel.mesh import make_mesh
from ftjax.pretrained import Opened, open_run, resolved, shapes_of, variables_of
from ftjax.research import mfu
from ftjax.research.report import plan_lines
from ftjax.text import saved
from ftjax.train import inputs, optim, run_folder
from ftjax.train.checkpoint import Checkpoints
from ftjax.train.loop import Plan, put, train
from ftjax.train.prefetch import Prefetch
from ftjax.train.state import init_state
from ftjax.train.step import batch_sharding
from ftjax.train.stopping import EarlyStopping, Objective


@dataclass
class Result:
  """How a run ended. reason: "done", "early" (stopping), or the name of the signal that stopped it.

  scores: {"base": {...}, "tuned": {...}}: validation loss and, where there are prompts, BLEU and
  chrF.
  """

  workdir: Path
  reason: str
  step: int
  best_step: int = -1
  scores: dict[str, dict[str, float]] = field(default_factory=dict)


def finetune(config: ConfigDict, workdir: str | Path) -> Result:
  """Trains as `config` says (ftjax/defaults.py lists the keys) and leaves a run folder:
  metrics.jsonl, checkpoints/, best/ and final/ in Hugging Face format (PEFT adapters for LoRA),
  samples.md and .html, loss.png.

  A folder with an unfinished run of the same config is resumed, to the bit. Raises InputError for
  bad config or input and train.stopping.Diverged for a loss that is no number.
  """
  check_keys(config, get_config())
  mesh = make_mesh(**config.mesh)
  _check(config, mesh)
  workdir = storage.local(workdir, "--workdir")
  opened = open_run(config)
  config = resolved(config, opened)
  begun = run_folder.begun(workdir, config)
  with run_folder.held(workdir):
    spec = training.pinned(config.data.train, workdir) if begun else config.data.train
    data = loader.load(
      config.data.to_dict() | {"train": spec},
      opened.tokenizer,
      model_max_length=opened.room,
      stops=opened.stops,
      vocab_size=opened.checkpoint.config.vocabulary,
      day=_day(workdir, begun),
    )
    data = with_general(config, opened, data)
    if data.template is not None:
      saved.check(data.template, data.samples, config.data.train_on)
    distributed.alike(data.train.digest() + data.validation.digest(), "The rows")
    found = inputs.record(data, opened, config.adapter.source)
    if begun and _finished(config, workdir, found):
      return Result(workdir, "done", step=-1)
    if begun:
      training.check(workdir, data.versions)
      inputs.check(workdir, found)
      for line in training.newer(config.data.train, workdir):
        say(f"{line}. The run goes on with the one that it began with.")
    say("\n".join(data.report.lines()))
    return _run(config, workdir, opened, data, mesh, None if begun else found)


def _day(workdir: Path, begun: bool) -> str:
  """The date that chat templates write into the rows: of the day on which the run began, on all processes."""
  day = (inputs.day(workdir) if begun else "") or date.today().isoformat()
  return date.fromordinal(distributed.from_first(date.fromisoformat(day).toordinal())).isoformat()


def _finished(config: ConfigDict, workdir: Path, found: inputs.Record) -> bool:
  """Whether the run in the folder has nothing left to do, which is said with what has changed since.
  One that lacks its best/ is opened again: its checkpoints have what is needed to write it."""
  final, best = workdir / run_folder.FINAL, workdir / run_folder.BEST
  if not final.is_dir():
    return False
  if not best.is_dir() and run_folder.saved(workdir):
    say(f"{workdir} holds a finished run without its {best.name}/: it is written again.")
    distributed.barrier("a finished run is opened again")
    if jax.process_index() == 0:
      final.replace(workdir / run_folder.UNFINISHED)
    return False
  lines = [f"{workdir} holds a finished run of this config; nothing to do."]
  if not (workdir / "evaluation.json").is_file():
    lines += [f"Its scores were not written: python scripts/evaluate.py --config.source={workdir}"]
  if not best.is_dir():
    lines += [
      f"Its {best.name}/ is missing, and so are the checkpoints to write it from: {final.name}/ is left."
    ]
  lines += [
    f"Since then {difference}."
    for difference in (*training.newer(config.data.train, workdir), *inputs.changed(workdir, found))
  ]
  say("\n".join((*lines, "Give another --workdir to train again.")))
  return True


def _run(
  config: ConfigDict, workdir: Path, opened: Opened, data, mesh, found: inputs.Record | None
) -> Result:
  """finetune, in a folder that is this process's own. found: the inputs of a run that begins, whose
  folder is claimed when nothing can refuse the config any more; None for one that goes on."""
  # Batches, and with their number the plan.
  t = config.train
  bins = loader.bins(data.train, data.max_length, config.data.pack, ordered=not config.data.shuffle)
  length = loader.width(data.train, bins, data.max_length)
  epoch = loader.steps_per_epoch(bins, t.batch_size, t.accumulate)
  tokens = loader.tokens_per_step(data.train, bins, t.batch_size, t.accumulate)
  plan, warmup = _plan(config, epoch, tokens)
  rows = batch_sharding(mesh)
  batches = loader.batches(
    data.train, bins, batch_size=t.batch_size, accumulate=t.accumulate, max_length=data.max_length,
    seed=t.seed, shuffle=config.data.shuffle, here=distributed.rows_here(rows, t.batch_size, dim=1),
  )  # fmt: skip

  # The one shape that will run is compiled before a weight is read: what does not fit fails here, not
  # hours later.
  shapes, model = shapes_of(config, opened), opened.checkpoint.config
  settled, made, compiled = fitting.compile_first(
    config, model, shapes, mesh, warmup=warmup, total=plan.total, length=length
  )

  # The model, split into what is trained and what is not, straight to its places on the mesh.
  trainable, frozen = variables_of(config, opened, mesh)
  state = init_state(trainable, frozen, made.tx, t.seed, made.places)
  del trainable, frozen  # The state owns them now, and its arrays will be donated.
  say(
    "\n".join(
      plan_lines(settled, opened, state, plan, warmup, tokens, mesh, compiled.memory_analysis())
    )
  )

  evaluate = make_judge(config, opened, made.decoder, data, mesh)
  objective = Objective.parse(config.eval.objective)
  stopping = EarlyStopping(config.eval.patience, config.eval.min_delta)
  if found is not None:
    run_folder.claim(workdir, config, found)
    if jax.process_index() == 0:
      training.record(workdir, data.versions)
  checkpoints = Checkpoints(workdir / run_folder.CHECKPOINTS, keep=config.checkpoint.keep)
  state, progress, start = checkpoints.restore_newest(state)
  if start:
    batches.set_state(progress["data"])
    stopping.restore(progress["stopping"])
    say(f"Going on from the checkpoint of step {start}.")
  log = MetricsLog(
    workdir,
    start=start,
    tensorboard=config.log.tensorboard,
    wandb=config.log.wandb,
    config=config.to_dict(),
    derive=mfu.meter(model, data.train, frozen="params" not in state.trainable, devices=mesh.size),
  )  # fmt: skip
  batches = Prefetch(batches, functools.partial(put, sharding=rows))
  with contextlib.closing(checkpoints), contextlib.closing(log), contextlib.closing(batches):
    outcome = train(
      state, compiled, batches, plan, sharding=rows, log=log, checkpoints=checkpoints, stopping=stopping,
      evaluate=evaluate, objective=objective, name_rows=functools.partial(_name_rows, data.train, bins),
      start=start, base=progress.get("base"),
    )  # fmt: skip
    result = Result(workdir, outcome.reason, outcome.step, stopping.best_step)
    if result.reason in ("done", "early"):
      result.scores = finish(
        config, workdir, opened, data, outcome, stopping, mesh, evaluate=evaluate, objective=objective,
        initial=lambda: variables_of(config, opened, mesh)[0],
      )  # fmt: skip
  return result


def _check(config: ConfigDict, mesh) -> None:
  """What can be known to be wrong before anything is read."""
  t = config.train
  for key in ("batch_size", "accumulate", "log_every"):
    positive(t[key], f"train.{key}")
  _check_ranges(config)
  starting.check(config.adapter, bool(config.model.new_tokens), t.only)
  choice(t.remat, (AUTO, *REMAT), "train.remat")
  choice(config.model.matmul, matmul.KINDS, "model.matmul")
  quant.check(config.model.quantize, config.adapter.kind)
  optim.check(config)
  tracking.check(config.log.wandb)
  _check_tokens(config)
  fitting.check_rows(config, mesh)


def _check_ranges(config: ConfigDict) -> None:
  """Numbers that would otherwise switch off, or stop at, something else than was meant."""
  e, keep, seed = config.eval, config.checkpoint.keep, config.train.seed
  dropout = config.adapter.dropout
  ranges = {
    "adapter.dropout": (dropout, 0 <= dropout < 1, "at least 0 and below 1"),
    "train.seed": (seed, seed >= 0, "0 or greater"),
    "eval.patience": (e.patience, e.patience >= 0, "0 (never stop early) or greater"),
    "eval.min_delta": (e.min_delta, 0 <= e.min_delta < math.inf, "0 or greater, in nats"),
    "eval.batch_size": (e.batch_size, e.batch_size >= 0, "0 (train.batch_size) or greater"),
    "eval.samples": (e.samples, e.samples >= 0, "0 (none) or greater"),
    "eval.max_new_tokens": (
      e.max_new_tokens, e.max_new_tokens > 0 or not e.samples, "1 or greater; eval.samples=0 writes no texts"
    ),
    "checkpoint.keep": (keep, keep >= 1, "1 or greater: a run goes on from its newest checkpoint"),
  }  # fmt: skip
  for key, (given, good, allowed) in ranges.items():
    if not good:
      raise InputError(f"{key}={given!r} must be {allowed}.")


def _check_tokens(config: ConfigDict) -> None:
  m, a = config.model, config.adapter
  if m.new_tokens_only and (not m.new_tokens or a.kind != "none"):
    raise InputError(
      "model.new_tokens_only trains the rows of model.new_tokens and nothing else: it needs these, "
      "and adapter.kind=none. (An adapter trains them beside its own.)"
    )


def _plan(config: ConfigDict, epoch: float, tokens: float) -> tuple[Plan, int]:
  """(the plan, warmup updates) from durations. epoch: updates in one pass over the rows. tokens: of an
  update, on average and without padding, as train/tokens_per_second counts them."""
  steps = lambda value, key, total=None: Duration.parse(value, key).steps(
    epoch=epoch, tokens=tokens, total=total
  )
  total = positive(steps(config.train.duration, "train.duration"), "train.duration")
  plan = Plan(
    total=total,
    log_every=config.train.log_every,
    eval_every=steps(config.eval.every, "eval.every", total),
    save_every=steps(config.checkpoint.every, "checkpoint.every", total),
  )
  warmup = Duration.parse(config.optim.warmup, "optim.warmup")
  updates = steps(config.optim.warmup, "optim.warmup", total)
  # A share of a run of few updates would be all of it when rounded up.
  return plan, min(
    updates, total - 1
  ) if warmup.unit == "fraction" and warmup.amount < 1 else updates


def _name_rows(rows, bins, chosen: np.ndarray) -> str:
  """The files and lines that the rows of a batch were made of."""
  places = [rows.place(i) for b in chosen for i in bins[int(b)]]
  return ", ".join(places[:12]) + (f" and {len(places) - 12} more" if len(places) > 12 else "")
