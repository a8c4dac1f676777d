"""The formats of rows, how they are told apart, and rows as messages (or text, or ids)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ftjax.config import InputError
from ftjax.data.record import Record
from ftjax.data.row import Row
from ftjax.plugin import did_you_mean
from ftjax.text import messages as form
from ftjax.text.messages import Message

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
ASKED = ("prompt", "conversations", "messages", "question", "instruction")  # of preference pairs
JUDGED = ("label", "kto_tag")  # columns that say whether an answer is a good one
_ANSWERED = ("messages", "sharegpt", "prompt_completion", "alpaca")  # formats that have answers
MAPPED = "--config.data.fields.prompt=brief --config.data.fields.completion=copy"
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
  InputError when no format fits; and for rows that compare or judge answers, of which only some are
  to be imitated, unless `fields` names the column."""
  fields, row = parse_fields(fields), records[0]
  named = [f for f, needs in NEEDS.items() if fields.keys() & set(needs)]
  for record in records if not named else ():
    refuse_preference(record)
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
    + f". Map your columns, as in {MAPPED}."
  )


def refuse_preference(record: Record) -> None:
  """Raises InputError for a row that compares or judges answers."""
  has = record.fields
  judged = next((name for name in JUDGED if _is_verdict(has.get(name))), "")
  said = judged and next(
    (f for f in _ANSWERED if all(has.get(c) is not None for c in NEEDS[f])), ""
  )
  if said:
    columns = " ".join(f"--config.data.fields.{name}={name}" for name in NEEDS[said])
    raise InputError(
      f"{record.place}: {judged!r} says whether the answer is a good one, so not all are to be imitated. Remove the bad rows, "
      f"or to imitate all, name the columns: {columns}."
    )
  answer = next((name for name in ("chosen", "preferred_output") if has.get(name)), "")
  if not has.get("rejected") and not (answer and has.get("non_preferred_output")):
    return
  chosen = has.get(answer)
  if not answer:
    how = "say --config.data.format=messages."
  elif answer != "chosen":
    how = "prepare the file (scripts/prepare_data.py) and train on that with --config.data.format=messages."
  elif isinstance(chosen, (list, tuple)) and len(chosen) > 1:
    how = "name their column: --config.data.fields.messages=chosen."
  else:
    asked = next((c for c in ASKED if has.get(c) is not None), "YOUR_COLUMN")
    how = f"name the columns: --config.data.fields.prompt={asked} --config.data.fields.completion=chosen."
  raise InputError(
    f"{record.place}: this is a preference pair ({' and '.join(n for n in (answer, 'rejected') if n in has) or answer}), not "
    f"a row to imitate. To fine-tune on the chosen answers, {how}"
  )


def _is_verdict(value: object) -> bool:
  """Whether it is true or false, as JSON has it or, out of a table, as a word."""
  return isinstance(value, bool) or (
    isinstance(value, str) and value.strip().lower() in ("true", "false")
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
  if format in ("messages", "sharegpt"):
    name = NEEDS[format][0]
    out = form.normal(row.get(name), row.at(name))
  elif format == "alpaca":
    more = row.text("input", optional=True)
    question = row.text("instruction") + (f"\n\n{more}" if more else "")
    out = [*_history(row), {"role": "user", "content": question}, *row.turns("assistant", "output")]
  else:
    asked, answer = row.turns("user", "prompt", trained=False), row.turns("assistant", "completion")
    asked, answer = form.continued(asked, answer, row.at("completion"))
    out = asked + answer
  return row.finished(out)


def answered(messages: list[Message], place: str) -> list[Message]:
  """`messages`, if an answer among them is trained on. Raises InputError otherwise."""
  if any(m["role"] == "assistant" and m.get("weight") != 0 for m in messages):
    return messages
  raise InputError(
    f"{place}: no trained token: no message of the assistant, or all with weight 0 (roles: "
    f"{', '.join(m['role'] for m in messages)}). Write an answer, or remove the row."
  )


def _history(row: Row) -> list[Message]:
  """The turns before an alpaca row's own: pairs of texts, or messages."""
  turns, where = row.get("history", optional=True), row.at("history")
  if not turns:
    return []
  if isinstance(turns, (list, tuple)) and all(isinstance(t, dict) for t in turns):
    return form.normal(turns, where)
  out = []
  for i, turn in enumerate(turns if isinstance(turns, (list, tuple)) else [turns], 1):
    if not isinstance(turn, (list, tuple)) or len(turn) != 2:
      raise InputError(f"{where}, turn {i} must be [question, answer], but is {form.kind(turn)}.")
    for role, said in zip(("user", "assistant"), turn, strict=True):
      out += row.said(role, said, f"{where}, turn {i} ({role})")
  return out


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


def prompt_of(messages: Sequence[Message]) -> Sequence[Message] | None:
  """The messages before the first answer: what the split hashes. None where they say nothing but
  what the system does."""
  first = next(i for i, m in enumerate(messages) if m["role"] == "assistant")
  says = any(m["content"].strip() for m in messages[:first] if m["role"] != "system")
  return messages[:first] if says else None
