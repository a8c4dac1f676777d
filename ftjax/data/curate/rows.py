"""Examples as JSON (inside a preparation) and as the columns of a version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ftjax.config import InputError
from ftjax.data.example import Example, Origin

KINDS = ("text", "messages", "preference")
SPLITS = ("train", "validation", "test")
_JSON = ("tool_calls", "tools")  # of a message
_KEYS = ("role", "content", "weight", "reasoning_content", *_JSON)
_RESULT = (*_KEYS, "tool_call_id", "name")
_ORIGIN = ("source", "path", "row", "licence", "date", "url")


def one_kind(first: Mapping[str, str]) -> str:
  """The one kind of all rows. first: {kind: the place of its first row}. Raises InputError naming a
  row of each where there are several."""
  if len(first) > 1:
    told = "; ".join(f"{place} is {kind}" for kind, place in first.items())
    raise InputError(
      f"The sources disagree on the kind of rows: {told}. A version has one kind. Make rows with a prompt of documents "
      "(rows: title, outline, section or opening of that source), set its format, or prepare them apart."
    )
  return next(iter(first), "text")


def to_json(example: Example) -> str:
  """One line that `from_json` reads back whole."""
  origin = {name: getattr(example.origin, name) for name in _ORIGIN}
  row = _content(example) | {
    "category": example.category, "title": example.title, "weight": example.weight, "origin": origin,
  }  # fmt: skip
  return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def from_json(line: str) -> Example:
  row = json.loads(line)
  return Example(
    row.get("text", ""), tuple(row.get("messages", ())), tuple(row.get("rejected", ())),
    Origin(**row["origin"]), row["category"], row["title"], row["weight"],
  )  # fmt: skip


def _content(example: Example) -> dict[str, Any]:
  if example.kind == "text":
    return {"text": example.text}
  out = {"messages": [dict(m) for m in example.messages]}
  return out | ({"rejected": [dict(m) for m in example.rejected]} if example.rejected else {})


def digest(example: Example) -> bytes:
  """16 bytes over what a version says of a row but where it lies: its content, source, licence,
  category, title, date, address and weight. Path and line are left out, so that a moved file and
  a line inserted above change nothing."""
  o = example.origin
  values = [
    _content(example), o.source, o.licence, o.date, o.url, example.category, example.title,
    float(example.weight),
  ]  # fmt: skip
  text = json.dumps(values, sort_keys=True, ensure_ascii=False)
  return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def writable(example: Example) -> Example:
  """As files can hold it: lone surrogates, which UTF-8 has no bytes for, are replaced by U+FFFD,
  and whole weights are whole numbers."""
  example = example.map(_utf8)
  messages = tuple(map(_message, example.messages))
  rejected = tuple(map(_message, example.rejected))
  if (messages, rejected) == (example.messages, example.rejected):
    return example
  return replace(example, messages=messages, rejected=rejected)


def _message(m: Mapping[str, Any]) -> dict[str, Any]:
  """What is trained on. Whole weights are ints, so that one content has one id."""
  names = _RESULT if m["role"] == "tool" else _KEYS
  out = {k: v for k, v in m.items() if k in names and v is not None}
  if "weight" in out:
    weight = float(out["weight"])
    out["weight"] = int(weight) if weight.is_integer() else weight
  return out


def _column(m: Mapping[str, Any]) -> dict[str, Any]:
  """A message as a version's files hold it: what has no fixed form as JSON text."""
  return {k: json.dumps(v, ensure_ascii=False) if k in _JSON else v for k, v in m.items()}


def _from_column(m: Mapping[str, Any]) -> dict[str, Any]:
  return {k: json.loads(v) if k in _JSON else v for k, v in _message(m).items()}


def _utf8(text: str) -> str:
  try:
    text.encode("utf-8")
    return text
  except UnicodeEncodeError:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def columns(example: Example, cluster: str, split: str) -> dict[str, Any]:
  """A row of a version's Parquet files."""
  o = example.origin
  content = {
    name: value if name == "text" else [_column(m) for m in value]
    for name, value in _content(example).items()
  }
  return {"id": example.id} | content | {
    "source": o.source, "path": o.path, "row": o.row, "licence": o.licence, "date": o.date,
    "url": o.url, "title": example.title, "category": example.category,
    "weight": float(example.weight), "cluster": cluster, "split": split,
  }  # fmt: skip


def from_columns(row: Mapping[str, Any]) -> Example:
  """The example that `columns` made a row of."""
  messages = lambda name: tuple(map(_from_column, row.get(name) or ()))
  origin = Origin(**{name: row[name] for name in _ORIGIN})
  return Example(
    row.get("text") or "", messages("messages"), messages("rejected"), origin,
    row["category"], row["title"], row["weight"],
  )  # fmt: skip


def schema(kind: str, weighted: bool, more: Iterable[str] = ()):
  """The Arrow schema of a version. weighted: some messages carry a weight of their own. more: what
  else they have beside role and content."""
  import pyarrow as pa

  text = pa.string()
  message = [("role", text), ("content", text)] + ([("weight", pa.float64())] if weighted else [])
  message += [(name, text) for name in sorted(more)]
  messages = pa.list_(pa.struct(message))
  content = {
    "text": [("text", text)],
    "messages": [("messages", messages)],
    "preference": [("messages", messages), ("rejected", messages)],
  }[kind]
  rest = [
    ("source", text), ("path", text), ("row", pa.int64()), ("licence", text), ("date", text),
    ("url", text), ("title", text), ("category", text), ("weight", pa.float64()),
    ("cluster", text), ("split", text),
  ]  # fmt: skip
  return pa.schema([("id", text), *content, *rest])
