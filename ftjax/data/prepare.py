"""From `config.data` to rows of ids: read, detect, split, encode, fit, report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from ftjax.config import InputError, choice
from ftjax.data import format as formats
from ftjax.data.encode import OVERLONG, Fitted, Rows, Unit
from ftjax.data.read import read, versions
from ftjax.data.report import Report
from ftjax.data.side import SAMPLE, Side
from ftjax.data.split import split
from ftjax.data.versions import training
from ftjax.plugin import did_you_mean
from ftjax.text.chat import Template
from ftjax.text.saved import Sample

if TYPE_CHECKING:
  from transformers import PreTrainedTokenizerBase

_AUTO_FRACTION = 0.05
_FEW = 20  # validation rows, from which on scores are worth their numbers
_ENOUGH = 0.2  # the share to hold out of few rows


@dataclass(frozen=True)
class Settings:
  """The keys of `config.data`, and what they are when left out."""

  train: Any = ""
  validation: Any = ""
  validation_fraction: float = -1.0
  format: str = "auto"
  fields: Any = field(default_factory=dict)
  separator: str = "auto"
  template: str = "auto"
  max_length: int = 1024
  pack: bool = True
  shuffle: bool = True
  overlong: str = "auto"
  train_on: str = "responses"

  @classmethod
  def of(cls, config: Any) -> Settings:
    """Reads a ConfigDict, a mapping or an object with these attributes. Raises InputError for a
    key of a mapping that does not exist, and for values that are out of range."""
    known = {f.name for f in fields(cls)}
    given = (
      dict(config.items())
      if hasattr(config, "items")
      else {k: getattr(config, k) for k in known if hasattr(config, k)}
    )
    for key in given.keys() - known:
      raise InputError(f"data.{key} does not exist.{did_you_mean(key, known)}")
    out = cls(**given)
    choice(out.overlong, OVERLONG, "data.overlong")
    if out.max_length < 2:
      raise InputError(
        f"data.max_length={out.max_length!r} must be at least 2: a token and the one to predict."
      )
    if out.validation_fraction != -1:
      split([], out.validation_fraction)
    return out


@dataclass
class Data:
  """What training and validation see. template: None for text and tokens. max_length:
  data.max_length, or less where the model's own limit is lower."""

  train: Rows
  validation: Rows
  template: Template | None
  format: str
  report: Report
  max_length: int
  versions: list[dict[str, Any]] = field(default_factory=list)  # prepared ones, of `data.train`
  general: Any = None  # general.General, where a run measures or replays general text
  samples: list[Sample] = field(default_factory=list)  # of training rows, for text.saved.check


def load(
  config_data: Any,
  tokenizer: PreTrainedTokenizerBase | None,
  *,
  model_max_length: int | None = None,
  stops: Iterable[int] = (),
  vocab_size: int | None = None,
  day: str = "",
) -> Data:
  """Reads, encodes and splits the data that `config.data` names.

  tokenizer: None will do for format "tokens". model_max_length: the positions that the model has.
  stops: stop ids beside the tokenizer's EOS (those of generation_config.json). vocab_size: the
  rows of the model's embedding, which ids are checked against. day: the date that a chat template
  writes, where it does ("" = today). Raises InputError for everything
  that is wrong with the config or the data, naming the row's place.
  """
  settings = Settings.of(config_data)
  named = formats.parse_fields(settings.fields)
  prepared = versions(settings.train) if settings.train else []
  for version in prepared if settings.format == "auto" else ():
    training.check_kind(version)
  records = read(settings.train)
  kind = (
    formats.detect(records, named)
    if settings.format == "auto"
    else formats.check_format(settings.format)
  )
  if tokenizer is None and kind != "tokens":
    raise InputError(
      f"The rows are {kind}, and the model folder has no tokenizer to encode them with. Add its tokenizer.json, or bring "
      "ids: data.format=tokens."
    )
  limit = min(settings.max_length, model_max_length or settings.max_length)
  how = settings.overlong
  if how == "auto":
    how = "split" if kind == "text" else "truncate"
  report = Report(format=kind, detected=settings.format == "auto", max_length=limit)
  report.full = limit == model_max_length
  if limit < settings.max_length:
    report.notes.append(
      f"max_length is {limit}, as the model has no more positions (data.max_length={settings.max_length})"
    )
  side = Side(kind, named, settings, tokenizer, Fitted(limit, how), tuple(stops), day)
  units, pairs = side.encode(records)
  fraction, held_out = settings.validation_fraction, settings.validation
  if prepared and not held_out and fraction:  # They are split already, and never again.
    held_out = [str(v.folder) for v in prepared if v.shards("validation")]
    fraction = 0.0
  for version in prepared:
    report.notes += training.notes(version)
  if held_out:
    fraction = 0.0
  elif fraction == -1:
    fraction = _AUTO_FRACTION if settings.shuffle else 0.0
    if not settings.shuffle:
      report.notes.append(
        "no validation rows are held out, as data.shuffle=False uses the rows as given"
      )
  ours, theirs = split([u.key for u in units], fraction)
  train, validation = [units[i] for i in ours], [units[i] for i in theirs]
  held = pairs
  if held_out:
    rows = read(held_out, "data.validation", split="validation")
    validation, held = side.encode(rows, count=False)
  if not train:
    raise InputError(
      f"No row is left to train on: of {len(records)}, {side.fitted.dropped} were dropped as too long and {len(theirs)} "
      "windows or rows fell to validation. Raise data.max_length, or set data.validation_fraction=0."
    )
  if fraction and not validation:
    report.notes.append(
      f"no validation: none of the rows fell into the {fraction:.0%} to hold out. Hold out more "
      f"(--config.data.validation_fraction={_ENOUGH}), or name a file: data.validation=..."
    )
  elif fraction and fraction < _ENOUGH and len(validation) < _FEW:
    report.notes.append(
      f"validation: {len(validation)} of the rows, and scores of so few say little. "
      f"--config.data.validation_fraction={_ENOUGH} holds out more"
    )
  for unit in (*train, *validation) if vocab_size else ():
    if unit.ids.max() >= vocab_size:
      raise InputError(
        f"{unit.place}: token id {unit.ids.max()}, but the model knows ids below {vocab_size}. Do the model and the "
        "tokenizer (or the ids of format tokens) belong together?"
      )
  data = Data(
    _rows(train, pairs), _rows(validation, held), side.template, kind, report, limit,
    [training.facts(v) for v in prepared], samples=side.samples,
  )  # fmt: skip
  if side.joined:
    plain = side.template.kind == "plain"
    report.notes.append(
      f"in {side.joined} of the first {min(SAMPLE, len(records))} rows a token spans the end of the prompt, so that the "
      "prompt alone, as at inference, reads otherwise: part them by a line break ("
      + ("data.separator='\\n')" if plain else "data.template=plain)")
    )
  if side.expanded:
    report.notes.append(
      f"{side.expanded:,} conversations became a row for each of their answers, as the chat template renders an answer "
      "otherwise once more turns follow"
    )
  if fraction and side.whole:
    report.notes.append(
      f"{side.whole:,} rows have no prompt of their own (none, or one that many share): which of them are held out is "
      "decided by the whole row, so validation asks what training has seen"
    )
  report.fitted = side.fitted
  report.measure(data, len(records), side.lengths, settings.pack, tokenizer)
  return data


def _rows(units: list[Unit], pairs: list[tuple[Any, str] | None]) -> Rows:
  rows = Rows.of(units)
  for source in dict.fromkeys(u.source for u in units):
    if pairs[source]:
      rows.prompts.append(pairs[source][0])
      rows.references.append(pairs[source][1])
  return rows
