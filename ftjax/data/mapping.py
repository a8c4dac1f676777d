"""Records as rows of the dataset: documents, conversations and preference pairs, whatever their
columns are called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

from ftjax.config import InputError
from ftjax.data import documents, preference, template
from ftjax.data import format as formats
from ftjax.data.example import Example, Message, Origin
from ftjax.data.record import Record
from ftjax.data.row import Row
from ftjax.data.sources import openai
from ftjax.data.sources._markup import iso_date
from ftjax.data.template import Unmapped
from ftjax.plugin import did_you_mean

FORMATS = (*(f for f in formats.FORMATS if f != "tokens"), "openai", "preference")
META = ("title", "date", "author", "url", "category", "licence", "weight")
FIELDS = (*formats.FIELDS[:-2], "chosen", "rejected", *META)
_HOW = """--config.sources='{"path": "FILE", "fields": "prompt=brief,completion=copy"}'"""
_KINDS = 100  # sets of columns that are remembered
_ALIASES = {"licence": ("license",)}
_NUMBERED = re.compile(r"(.+?)(?::| row | item | post )(\d+)", re.S)


@dataclass(frozen=True)
class Plan:
  """How the records of a source become rows; each key as in ftjax/data/defaults.py."""

  source: str = ""
  format: str = "auto"
  rows: str = "text"
  fields: Mapping[str, str] = field(default_factory=dict)
  prompt: str = ""
  response: str = ""
  licence: str = ""
  category: str = ""
  weight: float = 1.0

  kinds: dict[tuple[str, ...], str] = field(default_factory=dict, compare=False, repr=False)

  def column(self, name: str) -> str:
    return self.fields.get(name, name)

  @cached_property
  def named(self) -> dict[str, str]:
    """The columns that are mapped to those of a format."""
    return {n: c for n, c in self.fields.items() if n in formats.FIELDS}

  @cached_property
  def meta(self) -> list[tuple[str, tuple[str, ...]]]:
    """META with the columns that may give it. A weight only where the config names its column: a
    product's weight is none."""
    plain = [n for n in META if n not in self.fields and n != "weight"]
    return [(n, (self.fields[n],)) for n in META if n in self.fields] + [
      (n, (n, *_ALIASES.get(n, ()))) for n in plain
    ]


def parse_fields(fields: Mapping[str, str] | str | None, key: str) -> dict[str, str]:
  """{ftjax's name: the user's column}, of a mapping or "prompt=mr,completion=ref". Raises InputError
  for a name that ftjax does not have."""
  if isinstance(fields, str):
    pairs = [part.partition("=") for part in fields.split(",") if part.strip()]
    if any(not sep for _, sep, _ in pairs):
      raise InputError(f"{key}={fields!r} must read NAME=COLUMN,NAME=COLUMN, as in prompt=mr.")
    fields = {name.strip(): column.strip() for name, _, column in pairs}
  for name in fields or {}:
    if name not in FIELDS:
      raise InputError(
        f"{key}: {name!r} does not exist. Use: {', '.join(FIELDS)}.{did_you_mean(name, FIELDS)} (The name is ftjax's, the "
        "value your column's: prompt=mr.)"
      )
  return {name: column for name, column in dict(fields or {}).items() if column}


def examples(record: Record, plan: Plan, part: str) -> Iterator[Example]:
  """The rows of a record: one, or for a document by sections as many as it has. part: the path that
  the record was read from. Raises InputError naming the record's place."""
  meta = _meta(record, plan)
  common = {
    "origin": _origin(record, plan, part, meta),
    "category": meta["category"] or plan.category,
    "title": " ".join(meta["title"].split()),
    "weight": _weight(meta["weight"], record) * plan.weight,
  }
  kind = plan.format if plan.format != "auto" else _kind(record, plan)
  if kind in ("text", "fields"):
    rows = ((text, messages, ()) for text, messages in _rendered(record, plan, kind, meta))
  elif kind == "preference" or (kind == "openai" and openai.PAIR[0] in record.fields):
    messages, rejected = _pair(record, plan, kind)
    rows = [("", messages, rejected)]
  else:
    rows = [("", _messages(record, plan, kind), ())]
  for text, messages, rejected in rows:
    _check_unicode(record, common["title"], text, *(m["content"] for m in (*messages, *rejected)))
    yield Example(text, tuple(messages), tuple(rejected), **common)


def _check_unicode(record: Record, *texts: str) -> None:
  """JSON can say half of a surrogate pair, which no file of UTF-8 can hold."""
  for text in texts:
    try:
      text.encode()
    except UnicodeEncodeError as e:
      raise InputError(
        f"{record.place}: half a surrogate pair, \\u{ord(text[e.start]):04x}, at character {e.start + 1} of {text[:30]!r}..., "
        "which is no Unicode text. Mend or remove the row."
      ) from e


def _kind(record: Record, plan: Plan) -> str:
  """The format by the columns; rows of the same columns are looked at once."""
  columns = tuple(record.fields)
  kind = plan.kinds.get(columns)
  if kind is None:
    kind = _detect(record, plan)
    if len(plan.kinds) < _KINDS:
      plan.kinds[columns] = kind
  return kind


def _detect(record: Record, plan: Plan) -> str:
  has = record.fields.keys()
  if all(name in has for name in openai.PAIR):
    return "openai"
  rejected = plan.column("rejected")
  if {plan.column("chosen"), rejected} <= has or {"messages", rejected} <= has:
    return "preference"
  document = plan.column("text") in has
  if plan.prompt or plan.response:
    return "text" if document else "fields"
  try:
    kind = formats.detect([record], plan.named)
  except InputError as e:
    raise Unmapped(str(e).replace(formats.MAPPED, _HOW).replace("data.fields", "fields")) from e
  if kind == "tokens":
    raise Unmapped(f"{record.place}: rows of token ids cannot be prepared, only text can.")
  return kind


def _rendered(
  record: Record, plan: Plan, kind: str, meta: Mapping[str, str]
) -> Iterator[tuple[str, tuple[Message, ...]]]:
  """(text, messages), one of which is empty."""
  fields = dict(record.fields) | {n: v for n, v in meta.items() if v and n not in record.fields}
  fields |= {name: record.fields[c] for name, c in plan.fields.items() if c in record.fields}
  if kind == "fields":
    if not plan.response:
      raise Unmapped(
        f"{record.place}: with a prompt template and no 'text' column, give a response template too, as in "
        f'response="{{answer}}". The row has: {", ".join(fields)}.'
      )
    found = [documents.Task({}, "", plan.response)]
  else:
    if plan.column("text") not in record.fields:
      columns = ", ".join(map(repr, record.fields))
      raise Unmapped(
        f'{record.place}: no column {plan.column("text")!r}. The row has: {columns}. Map it: fields="text=YOUR_COLUMN".'
      )
    text = formats.to_text(record, {n: c for n, c in plan.fields.items() if n == "text"})
    titled = {"text": text, "title": meta["title"]}
    found = documents.tasks(titled, plan.rows, record.place)
  for task in found:
    known = fields | dict(task.fields)
    answer = template.render(plan.response or task.response, known, record.place)
    if not answer.strip():
      raise InputError(f"{record.place}: no trained token: the response is empty.")
    asked = template.render(plan.prompt or task.prompt, known, record.place)
    if not asked:
      yield answer, ()
      continue
    yield "", ({"role": "user", "content": asked}, {"role": "assistant", "content": answer})


def _messages(record: Record, plan: Plan, kind: str) -> list[Message]:
  if kind == "openai":
    return openai.normal(record)["messages"]
  return formats.answered(formats.to_messages(record, kind, plan.named), record.place)


def _pair(record: Record, plan: Plan, kind: str) -> tuple[list[Message], list[Message]]:
  """(the conversation with the chosen answer, the other answer alone)."""
  if kind == "openai":
    both = openai.normal(record)
    return both["messages"], both["rejected"]
  return preference.pair(Row(record, plan.fields, "preference"))


def _meta(record: Record, plan: Plan) -> dict[str, str]:
  """What columns say of a row; "" for what they do not."""
  out = dict.fromkeys(META, "")
  for name, columns in plan.meta:
    for column in columns:
      value = record.fields.get(column)
      if value is not None:
        out[name] = _said(value)
  return out


def _said(value: Any) -> str:
  if isinstance(value, str):
    return value
  if isinstance(value, bytes):
    return value.decode("utf-8", "replace")
  if isinstance(value, (list, tuple)):
    return ", ".join(filter(None, map(_said, value)))
  return str(value) if isinstance(value, (int, float, date)) else ""


def _origin(record: Record, plan: Plan, part: str, meta: Mapping[str, str]) -> Origin:
  path, row, place = record.place, "", record.place
  if place.startswith(f"{part}:") and place[len(part) + 1 :].isdigit():
    path, row = part, place[len(part) + 1 :]
  elif place != part and (found := _NUMBERED.fullmatch(place)):
    path, row = found.groups()
  return Origin(
    source=plan.source,
    path=path,
    row=int(row or 0),
    licence=meta["licence"] or plan.licence,
    date=iso_date(meta["date"]),
    url=meta["url"],
  )


def _weight(value: str, record: Record) -> float:
  try:
    weight = float(value or 1)
  except ValueError:
    weight = 0.0
  if not 0 < weight < float("inf"):
    raise InputError(f"{record.place}: the weight {value!r} must be a number above 0.")
  return weight
