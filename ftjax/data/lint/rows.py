"""Checks of one row: its format, its keys, its texts. What can be mended comes back mended."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from ftjax.config import InputError
from ftjax.data import valid
from ftjax.data.lint import turns
from ftjax.data.lint.notes import Notes, shown
from ftjax.data.lint.shape import KEYS, NEEDS, near, renames, shape
from ftjax.data.record import Record
from ftjax.text import messages as messages_of

# Two letters into which UTF-8 falls apart when it is read as Windows-1252 or Latin-1: a hint, on
# which ftfy then decides.
_MOJIBAKE = re.compile("[\u00c2\u00c3\u00e2\u00f0\u00d0\u00d1\u00c5\u00c4\u00ef][\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030"
                       "\u0160\u2039\u0152\u017d\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178]")  # fmt: skip
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONVERTED = ("prompt_completion", "alpaca", "sharegpt")  # formats that can be said as messages


class Said(NamedTuple):
  """What a row asks and what it answers, as text; all of it, to compare."""

  prompt: str
  answer: str
  all: str


def check(row: Any, expected: str, notes: Notes) -> Any:
  """The row, mended where that can be. expected: the format of the file; "" = not known yet."""
  if not isinstance(row, dict):
    notes.error(
      "not-an-object",
      f"A row must be an object, but this is {shown(row)}.",
      'Write {"text": "..."}.',
    )
    return row
  row = _keys(row, notes)
  kind = shape(row)
  if not kind:
    known = "; ".join(" and ".join(needs) for needs in NEEDS.values())
    slip = next(
      (f" ({key!r}: did you mean {near(key, KEYS)!r}?)" for key in row if near(key, KEYS)), ""
    )
    notes.error(
      "unknown-format",
      f"The keys {', '.join(map(repr, row)) or '(none)'} fit no format{slip}.",
      f"Known: {known}. Rename them, or name your columns when you train: --config.data.fields.prompt=... --config.data.fields.completion=...",
    )
    return row
  row = _texts(row, notes)
  row = _CHECKS.get(kind, _nothing)(row, notes)
  return row if notes.lost else _format(row, kind, expected, notes)


def refusal(row: Any, expected: str) -> str:
  """Why training or preparation would refuse a row; "" where it would not."""
  kind = shape(row) if isinstance(row, dict) else ""
  if not kind or kind != (expected or kind):
    return "The row is of another format."
  try:
    valid.content(Record(row, ""), kind)
  except InputError as e:
    return str(e).removeprefix(": ")
  return ""


def said(row: dict[str, Any]) -> Said:
  """What a row says that is not refused."""
  kind = shape(row)
  found = valid.content(Record(row, ""), kind)
  every = json.dumps(found, sort_keys=True, ensure_ascii=False)
  if kind in ("text", "tokens"):
    return Said("", found if kind == "text" else "", every)
  conversation, other = found if isinstance(found, tuple) else (found, [])
  join = lambda messages, answers: "\n\n".join(
    messages_of.said(m) for m in messages if (m["role"] == "assistant") == answers
  )
  return Said(join(conversation, False), join([*conversation, *other], True), every)


def _keys(row: dict[str, Any], notes: Notes) -> dict[str, Any]:
  if shape(row):
    return row
  wanted = renames(row)
  for key, meant in wanted.items():
    notes.error(
      "misspelt-key",
      f"{key!r} is not a key of any format.",
      f"Did you mean {meant!r}?",
      key,
      mends=True,
    )
  return {wanted.get(key, key): value for key, value in row.items()}


def _texts(value: Any, notes: Notes) -> Any:
  """Every string in a value, with what its encoding lost put back."""
  if isinstance(value, dict):
    return {key: _texts(inner, notes) for key, inner in value.items()}
  if isinstance(value, list):
    return [_texts(inner, notes) for inner in value]
  return _text(value, notes) if isinstance(value, str) else value


def _text(text: str, notes: Notes) -> str:
  out = text
  if _SURROGATE.search(text):
    out = _SURROGATE.sub("\ufffd", out)
    notes.error(
      "half-character",
      "Half of a character (a lone surrogate).",
      "Write the character whole.",
      text,
      mends=True,
    )
  if _CONTROL.search(out):
    out = _CONTROL.sub("", out)
    notes.warning(
      "control-character", "A control character in the text.", "Remove it.", text, mends=True
    )
  if _MOJIBAKE.search(out):
    import ftfy

    mended = ftfy.fix_encoding(out)
    if mended != out:
      notes.warning(
        "mojibake",
        f"Text in a wrong encoding: {shown(_around(out))}.",
        "Read it as UTF-8.",
        text,
        mends=True,
      )
      out = mended
  return out


def _around(text: str) -> str:
  at = _MOJIBAKE.search(text).start()
  return text[max(0, at - 12) : at + 14]


def _string(row: dict[str, Any], key: str, notes: Notes, needed: bool = True) -> dict[str, Any]:
  value = row.get(key)
  if value is not None and not isinstance(value, str):
    return row | {key: shown(value)} if notes.not_text(repr(key), value, key) else row
  if needed and not (value or "").strip():
    asks = key in ("prompt", "instruction") and value is not None
    tell = notes.warning if asks else notes.error
    tell("empty", f"{key!r} is empty.", "Write it, or remove the row.", key)
  return row


def _answer(row: dict[str, Any], key: str, notes: Notes, lead: str = "") -> dict[str, Any]:
  """lead: what an answer may begin with all the same."""
  row = _string(row, key, notes)
  value = row.get(key)
  if isinstance(value, str) and value.strip():
    bare = lead * value.startswith(lead) + value.strip()
    if bare != value:
      notes.warning(
        "outer-space",
        f"{key!r} begins or ends in white space, which would be learnt.",
        "Strip it.",
        key,
        mends=True,
      )
      return row | {key: bare}
  return row


def _pair(row: dict[str, Any], notes: Notes) -> dict[str, Any]:
  """prompt and completion: texts, or lists of messages."""
  if isinstance(row["prompt"], list):
    row = row | {"prompt": turns.check(row["prompt"], "prompt", notes, part="prompt")}
  else:
    row = _string(row, "prompt", notes)
  if isinstance(row["completion"], list):
    return row | {"completion": turns.check(row["completion"], "completion", notes, part="answer")}
  # A space between prompt and completion is how base models are fine-tuned on such pairs.
  return _answer(row, "completion", notes, lead=" ")


def _alpaca(row: dict[str, Any], notes: Notes) -> dict[str, Any]:
  row = _string(row, "instruction", notes, needed=not str(row.get("input") or "").strip())
  for key in ("input", "system"):
    row = _string(row, key, notes, needed=False)
  return _answer(row, "output", notes)


def _preference(row: dict[str, Any], notes: Notes) -> dict[str, Any]:
  first, second = (
    ("preferred_output", "non_preferred_output")
    if "preferred_output" in row
    else ("chosen", "rejected")
  )
  for key in (first, second):
    value = row[key]
    if isinstance(value, list):
      row = row | {key: turns.check(value, key, notes, part="answer")}
    elif not isinstance(value, dict):
      row = _string(row, key, notes)
  if row[first] == row[second]:
    notes.error(
      "same-answers", f"{first!r} and {second!r} are the same.", "Remove the row.", second
    )
  return row


def _format(row: dict[str, Any], kind: str, expected: str, notes: Notes) -> dict[str, Any]:
  if not expected or kind == expected:
    return row
  mends = expected == "messages" and kind in _CONVERTED
  notes.error(
    "mixed-formats",
    f"This row is {kind}; most of the file is {expected}.",
    f"Write it as {expected}, or keep it in a file of its own.",
    mends=mends,
  )
  if not mends:
    return row
  try:
    return {"messages": valid.content(Record(row, ""), kind)}
  except InputError:
    notes.lost = "mixed-formats"
    return row


def _nothing(row: dict[str, Any], notes: Notes) -> dict[str, Any]:
  return row


_CHECKS: dict[str, Callable[[dict[str, Any], Notes], dict[str, Any]]] = {
  "text": lambda row, notes: _string(row, "text", notes),
  "messages": lambda row, notes: row | {"messages": turns.check(row["messages"], "messages", notes)},
  "sharegpt": lambda row, notes: row | {"conversations": turns.check(row["conversations"], "conversations", notes)},
  "prompt_completion": _pair,
  "alpaca": _alpaca,
  "messages preference": lambda row, notes: row | {"messages": turns.check(row["messages"], "messages", notes)},
  "preference": _preference,
  "openai preference": _preference,
}  # fmt: skip
