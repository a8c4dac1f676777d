"""From `config.data` to rows of ids: read, detect, split, encode, fit, report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ftjax.config import InputError, choice
from ftjax.data import format as formats
from ftjax.data.encode import OVERLONG, Fitted, Rows, Unit, fit, text_ids
from ftjax.data.read import read, versions
from ftjax.data.record import Record
from ftjax.data.report import Report
from ftjax.data.split import keys as split_keys
from ftjax.data.split import split
from ftjax.data.versions import training
from ftjax.plugin import did_you_mean
from ftjax.text import thinking
from ftjax.text.chat import Encoded, Template, auto_separator
from ftjax.text.messages import Message
from ftjax.text.saved import ROWS, Sample

if TYPE_CHECKING:
  from transformers import PreTrainedTokenizerBase

_AUTO_FRACTION = 0.05
_SAMPLE = 200  # Rows whose prompts are tokenised alone as well, to compare.
_BOOK = 16  # Windows from which on a document is split window by window: else one book could not be validated on.


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
  samples: list[Sample] = field(default_factory=list)  # for text.saved.check


def load(
  config_data: Any,
  tokenizer: PreTrainedTokenizerBase | None,
  *,
  model_max_length: int | None = None,
  stops: Iterable[int] = (),
  vocab_size: int | None = None,
) -> Data:
  """Reads, encodes and splits the data that `config.data` names.

  tokenizer: None will do for format "tokens". model_max_length: the positions that the model has.
  stops: stop ids beside the tokenizer's EOS (those of generation_config.json). vocab_size: the
  rows of the model's embedding, which ids are checked against. Raises InputError for everything
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
  if limit < settings.max_length:
    report.notes.append(
      f"max_length is {limit}, as the model has no more positions (data.max_length={settings.max_length})"
    )
  side = _Side(kind, named, settings, tokenizer, Fitted(limit, how), tuple(stops))
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
      f"no validation: none of the rows fell into the {fraction:.0%} to hold out. Name a file: data.validation=..."
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
      f"in {side.joined} of the first {min(_SAMPLE, len(records))} rows a token spans the end of the prompt, so that the "
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


class _Side:
  """Encodes records; the template that the training rows choose serves the validation rows too."""

  def __init__(self, kind, named, settings, tokenizer, fitted, stops):
    self.kind, self.named, self.settings, self.tokenizer = kind, named, settings, tokenizer
    self.fitted, self.stops = fitted, stops
    self.template: Template | None = None
    # Of the training rows:
    self.joined = (
      0  # of the first _SAMPLE, whose prompt is tokenised otherwise when the answer follows
    )
    self.expanded = 0  # conversations that became several rows
    self.whole = 0  # rows that the split knows by all of themselves
    self.samples: list[Sample] = []
    self.lengths: list[int] = []  # before over-long ones are cut

  def encode(
    self, records: list[Record], count: bool = True
  ) -> tuple[list[Unit], list[tuple[Any, str] | None]]:
    """(units that fit into max_length, (prompt, reference) of every record, None where it has none).
    count: whether these are the training rows, which the report counts."""
    pairs: list[tuple[Any, str] | None] = [None] * len(records)
    whole = 0
    if self.kind == "tokens":
      found = [formats.to_tokens(r, self.named) for r in records]
      encoded = [(i, *e) for i, e in enumerate(found)]
      keys, whole = split_keys([_tokens_key(*e) for e in found], [e[0].tobytes() for e in found])
    elif self.kind == "text":
      keys = [formats.to_text(r, self.named) for r in records]
      encoded = [(i, *e) for i, e in enumerate(text_ids(self.tokenizer, keys))]
    else:
      rows = [formats.to_messages(r, self.kind, self.named) for r in records]
      self.template = self.template or self._template(rows)
      done = self.template.encode_many(rows, self.settings.train_on, [r.place for r in records])
      encoded = [(e.source, np.asarray(e.ids, np.int32), np.asarray(e.trained, bool)) for e in done]
      keys, whole = split_keys([formats.prompt_of(m) for m in rows], rows)
      pairs = [_pair(m) for m in rows]
      if count:
        several = Counter(e.source for e in done)
        self.expanded = sum(n > 1 for n in several.values())
        of = [[e for e in done if e.source == i] for i in range(min(ROWS, len(rows)))]
        self.samples = [Sample(m, e, r.place) for m, e, r in zip(rows, of, records, strict=False)]
        self.joined = _joined(self.template, pairs[:_SAMPLE], done)
    if count:
      self.lengths, self.whole = [len(ids) for _, ids, _ in encoded], whole
    fitted = self.fitted if count else Fitted(self.fitted.limit, self.fitted.how)
    units = []
    for i, ids, trained in encoded:
      parts = fit(Unit(ids, trained, records[i].place, keys[i], i), fitted)
      if len(parts) >= _BOOK and self.kind == "text":
        parts = [p._replace(key=p.ids.tobytes()) for p in parts]
      units += parts
    return units, pairs

  def _template(self, rows: list[list[Message]]) -> Template:
    name, separator = self.settings.template, self.settings.separator
    template = Template.choose(self.tokenizer, name, separator, self.stops)
    if template.kind == "plain" and separator == "auto":
      template = Template.choose(self.tokenizer, "plain", auto_separator(rows), self.stops)
    return template


def _rows(units: list[Unit], pairs: list[tuple[Any, str] | None]) -> Rows:
  rows = Rows.of(units)
  for source in dict.fromkeys(u.source for u in units):
    if pairs[source]:
      rows.prompts.append(pairs[source][0])
      rows.references.append(pairs[source][1])
  return rows


def _joined(template: Template, pairs: list[tuple[Any, str] | None], encoded: list[Encoded]) -> int:
  prompts = {i: template.render_prompt(pair[0]) for i, pair in enumerate(pairs) if pair}
  asked = {e.source for e in encoded if e.ids[: len(p := prompts.get(e.source, ()))] == p}
  return len(prompts.keys() - asked)


def _pair(messages: list[Message]) -> tuple[Any, str] | None:
  """(prompt, reference): the messages before the last answer in text (their text, where that is one
  user turn), and the answer without its thinking."""
  trained = [m["role"] == "assistant" and m.get("weight") != 0 for m in messages]
  told = [i for i, m in enumerate(messages) if trained[i] and thinking.answer(m["content"]).strip()]
  if not told or not told[-1]:
    return None
  before, answer = messages[: told[-1]], messages[told[-1]]
  alone = (
    len(before) == 1 and before[0].keys() == {"role", "content"} and before[0]["role"] == "user"
  )
  return before[0]["content"] if alone else before, thinking.answer(answer["content"])


def _tokens_key(ids: np.ndarray, trained: np.ndarray) -> bytes | None:
  """The ids before the first trained one: the prompt. None where that is the first token alone."""
  start = int(trained.argmax())
  return None if start <= 1 else ids[:start].tobytes()
