"""What a run is judged by while it trains: its validation rows, and general text that the model knew
before."""

import dataclasses
from collections.abc import Callable
from typing import Any

from ftjax.assembly import remedies_of
from ftjax.config import InputError
from ftjax.data import general as texts
from ftjax.data import loader
from ftjax.data.encode import Rows
from ftjax.data.general import NO_REPLAY, General, Replay
from ftjax.data.prepare import Data
from ftjax.evaluate.pmapped import make_evaluator
from ftjax.models.decoder import Decoder
from ftjax.pretrained import Opened
from ftjax.train.stopping import Objective

Judge = Callable[[Any], dict[str, float]]


def general_of(config, opened: Opened, replay: Replay = NO_REPLAY) -> General | None:
  """The general text of a run: what eval.general names, or for the starter model the text that comes
  with it."""
  spec = config.eval.general
  if not spec and config.model.source == "starter":
    spec = "starter"
  spec = "" if spec == "none" else spec
  return texts.load(
    spec, replay, config.data, opened.tokenizer, model_max_length=opened.room, stops=opened.stops,
    vocab_size=opened.checkpoint.config.vocabulary,
  )  # fmt: skip


def with_general(config, opened: Opened, data: Data) -> Data:
  """The data with its general text, of which train.replay's share is mixed into the training rows.
  Raises InputError for settings against forgetting that are wrong or want what is not there."""
  replay = Replay.parse(config.train.replay)
  found = general_of(config, opened, replay)
  _check(config, data, found)
  if found is None:
    return data
  train, notes = data.train, data.report.notes
  if found.measured is not None:
    notes.append(
      f"general text: {len(found.measured):,} texts of {len(found.measured.ids):,} tokens are measured at every "
      "evaluation, never trained on"
    )
  if replay.share:
    train = texts.mixed(train, found.replayed, replay.share)
    notes.append(
      f"replay: {int(train.general.sum()):,} general texts are mixed in, {replay.share:.0%} of the trained tokens"
    )
  return dataclasses.replace(data, train=train, general=found)


def _check(config, data: Data, general: General | None) -> None:
  t, objective = config.train, Objective.parse(config.eval.objective)
  remedies_of(config)
  if objective.general and (general is None or general.measured is None):
    raise InputError(
      f"eval.objective={config.eval.objective!r} weighs the loss on general text, and eval.general is empty. "
      "Name rows there."
    )
  if not 0 <= t.label_smoothing < 1:
    raise InputError(f"train.label_smoothing={t.label_smoothing!r} must be at least 0 and below 1.")
  if not t.neftune >= 0:
    raise InputError(f"train.neftune={t.neftune!r} must be 0 (no noise) or greater.")
  if t.interpolate < 0 or t.interpolate and not len(data.validation):
    raise InputError(
      f"train.interpolate={t.interpolate} is the number of steps from the base to the tuned model, each judged "
      "on the validation rows: it must not be negative, and there must be such rows (data.validation)."
    )


def make_judge(config, opened: Opened, decoder: Decoder, data: Data, mesh) -> Judge | None:
  """fn(variables) -> {"validation/loss": ..., "general/loss": ..., ...}, or None where there is nothing
  to evaluate on."""
  parts: dict[str, tuple[Rows, int, bool]] = {}
  if len(data.validation):
    parts["validation"] = data.validation, data.max_length, config.data.pack
  if data.general is not None and data.general.measured is not None:
    parts["general"] = data.general.measured, data.general.max_length, True
  if not parts:
    return None
  size = config.eval.batch_size or config.train.batch_size
  score = make_evaluator(
    opened.checkpoint.config, decoder.dtype, attention=decoder.attention, partition="mesh", mesh=mesh
  )  # fmt: skip
  bins = {name: loader.bins(rows, most, pack) for name, (rows, most, pack) in parts.items()}

  def judge(variables) -> dict[str, float]:
    found = {}
    for name, (rows, most, _) in parts.items():
      scores = score(variables, loader.fixed_batches(rows, bins[name], size, most))
      found |= {f"{name}/{metric}": value for metric, value in scores.items()}
    return found

  return judge
