"""The formats of rows, how they are told apart, and rows as messages (or text, or ids)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ftjax.config import InputError
from ftjax.data.record import Record
from ftjax.data.row import Message, Row
from ftjax.plugin import did_you_mean

# format: the columns that it cannot do without. In this order `detect` looks for them.
NEEDS = {
  "tokens": ("input_ids",),
  "messages": ("messages",),
  "sharegpt": ("conversations",),
  "prompt_completion": ("prompt", "completion"),
  "alpaca": ("instruction", "output"),
  "text": ("text",),
}
FORMATS = ("text", "prompt_completion", "alpaca", "sharegpt", "messages", "tokens")
FIELDS = (
  "text", "prompt", "completion", "instruction", "input", "output", "system", "history", "conversations", "messages",
  "input_ids", "labels",
)  # fmt: skip


def parse_fields(fields: Mapping[str, str] | str | None) -> dict[str, str]:
  """{ftjax's name: the user's column} of the names that are set. Takes a mapping, or
  "prompt=mr,completion=ref". Raises InputError for a name that ftjax does not have."""
  if isinstance(fields, str):
    pairs = [part.partition("=") for part in fields.split(",") if part.strip()]
    if any(not sep for _, sep, _ in pairs):
      raise InputError(
        f"data.fields={fields!r} must read NAME=COLUMN,NAME=COLUMN, as in prompt=mr,completion=ref."
      )
    fields = {name.strip(): column.strip() for name, _, column in pairs}
  for name in fields or {}:
    if name not in FIELDS:
      raise InputError(
        f"data.fields.{name} does not exist. Use: {', '.join(FIELDS)}.{did_you_mean(name, FIELDS)} (The name is ftjax's, "
        "the value your column's: prompt=mr.)"
      )
  return {name: column for name, column in (fields or {}).items() if column}


def detect(records: Sequence[Record], fields: Mapping[str, str] | str | None = None) -> str:
  """The format of rows, from the names in `fields` and else from the first row's columns. Raises
  InputError when no format fits, and for preference rows, which supervised fine-tuning has no use
  for."""
  fields, row = parse_fields(fields), records[0]
  if {"chosen", "rejected"} <= row.fields.keys() and not fields:
    prompt = next((c for c in ("prompt", "conversations", "messages") if c in row.fields), "...")
    raise InputError(
      f"{row.place}: this is a preference pair (columns chosen and rejected), not a row to imitate. To fine-tune on the "
      f"chosen answers, name the columns: data.fields='prompt={prompt},completion=chosen'."
    )
  named = [f for f, needs in NEEDS.items() if fields.keys() & set(needs)]
  for name in named or NEEDS:
    if all(fields.get(need, need) in row.fields for need in NEEDS[name]):
      return name
  columns = ", ".join(map(repr, row.fields))
  if named:
    missing = [c for n in NEEDS[named[0]] if (c := fields.get(n, n)) not in row.fields]
    raise InputError(
      f"{row.place}: no column {' or '.join(map(repr, missing))} for format {named[0]}. The row has: {columns}. "
      f"Mend data.fields.{did_you_mean(missing[0], row.fields)}"
    )
  raise InputError(
    f"{row.place}: the columns {columns} fit no format. Known: "
    + "; ".join(f"{f} ({', '.join(n)})" for f, n in NEEDS.items())
    + ". Map your columns, as in data.fields='prompt=brief,completion=copy'."
  )


def check_format(name: str) -> str:
  """`name` if it is a format, else an InputError that lists them."""
  if name not in FORMATS:
    raise InputError(
      f"data.format={name!r} is not known. Use auto or one of: {', '.join(FORMATS)}.{did_you_mean(name, FORMATS)}"
    )
  return name


def to_messages(
  record: Record, format: str, fields: Mapping[str, str] | None = None
) -> list[Message]:
  """A row of a conversational format as [{"role": ..., "content": ...}, ...]. Raises InputError
  naming the row's place and its columns. For "text" and "tokens" see `to_text` and `to_tokens`."""
  row = Row(record, fields or {}, format)
  if format == "messages":
    messages = [row.message(m) for m in row.rows("messages")]
  elif format == "sharegpt":
    messages = [row.message(m) for m in row.rows("conversations")]
  elif format == "alpaca":
    more = row.text("input", optional=True)
    messages = [
      m
      for turn in row.get("history", optional=True) or []
      for m in row.turns("user", turn[0]) + row.turns("assistant", turn[1])
    ]
    question = row.text("instruction") + (f"\n\n{more}" if more else "")
    messages += row.turns("user", question) + row.turns("assistant", row.get("output"))
  else:
    messages = row.turns("user", row.get("prompt")) + row.turns("assistant", row.get("completion"))
  system = row.text("system", optional=True)
  if system and not any(m["role"] == "system" for m in messages):
    messages = [{"role": "system", "content": system}, *messages]
  last = messages[-1] if messages else {"role": "assistant", "content": ""}
  if last["role"] == "assistant" and not last["content"].strip():
    raise InputError(
      f"{record.place}: no trained token: the answer is empty. Write one, or remove the row."
    )
  return messages


def to_text(record: Record, fields: Mapping[str, str] | None = None) -> str:
  """The document of a "text" row. Raises InputError naming the row's place when it is missing or
  empty."""
  text = Row(record, fields or {}, "text").text("text")
  if not text.strip():
    raise InputError(f"{record.place}: no trained token: the text is empty. Remove the row.")
  return text


def to_tokens(
  record: Record, fields: Mapping[str, str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
  """(ids int32 [n], trained bool [n]) of a "tokens" row; labels of -100 are not trained on, and no
  labels means all are. Labels stand at their own token. Ids whose attention_mask is 0 (padding)
  are left out. Raises InputError naming the row's place."""
  row = Row(record, fields or {}, "tokens")
  ids = row.ints("input_ids", low=0)
  labels = row.get("labels", optional=True)
  labels = ids if labels is None else row.ints("labels", low=-100)
  if len(labels) != len(ids):
    raise InputError(
      f"{record.place}: input_ids has {len(ids)} values and labels {len(labels)}; they must be as long as each other "
      "(-100 for a token that is not trained on)."
    )
  mask = row.get("attention_mask", optional=True)
  if mask is not None:
    mask = row.ints("attention_mask", low=0)
    if len(mask) != len(ids):
      raise row.error(f"input_ids has {len(ids)} values and attention_mask {len(mask)}.")
    ids, labels = ids[mask != 0], labels[mask != 0]
  trained = labels != -100
  wrong = np.flatnonzero(trained & (labels != ids))
  if wrong.size:
    i = wrong[0]
    raise InputError(
      f"{record.place}: labels[{i}] = {labels[i]}, but input_ids[{i}] = {ids[i]}. A label is -100 or its own token's id; "
      "ftjax does the shift to the next token itself."
    )
  trained[:1] = False
  if not trained.any():
    raise InputError(
      f"{record.place}: no trained token: every label after the first is -100. Remove the row."
    )
  return ids, trained


def prompt_of(messages: Iterable[Message]) -> list[Message]:
  """The messages before the first answer: what the split hashes."""
  out = []
  for m in messages:
    if m["role"] == "assistant":
      break
    out.append(m)
  return out
