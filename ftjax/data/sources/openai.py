"""Files for OpenAI's fine-tuning endpoint: chat with weights, prompt and completion, and preference
pairs. Read by name, as "openai:rows.jsonl", or known by their columns.

https://platform.openai.com/docs/guides/supervised-fine-tuning and .../direct-preference-optimization.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ftjax.config import InputError
from ftjax.data.record import Bad, Record, raise_error
from ftjax.data.row import Row
from ftjax.data.sources import jsonl
from ftjax.data.sources._reading import DEFAULT, Reading

_ROLES = {"developer": "system"}  # as newer models call it
KNOWN = ("system", "user", "assistant")
_CALLS = ("tool_calls", "function_call", "tool_call_id")
PAIR = ("input", "preferred_output", "non_preferred_output")


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """One record {"messages"} a row, with "rejected" (the other answer) for a preference pair. Tells
  `bad` of rows with tool calls, images or unknown roles, and without an answer to train on."""
  for record in jsonl.records(path, bad, how):
    try:
      fields = normal(record)
    except InputError as e:
      error = e
    else:
      yield Record(fields, record.place)
      continue
    bad(error)


def normal(record: Record) -> dict[str, Any]:
  """A row as {"messages"} or {"messages", "rejected"}. Raises InputError naming its place."""
  fields, place = record.fields, record.place
  if all(name in fields for name in PAIR):
    asked = fields["input"]
    if not isinstance(asked, Mapping):
      raise InputError(f"{place}: 'input' must be an object such as {{\"messages\": [...]}}.")
    _refuse_tools(asked, place)
    before = messages(asked.get("messages"), record)
    chosen, rejected = (messages(fields[name], record) for name in PAIR[1:])
    for name, answer in zip(PAIR[1:], (chosen, rejected), strict=True):
      if not answer or answer[-1]["role"] != "assistant" or not answer[-1]["content"].strip():
        raise InputError(f"{place}: {name!r} must end in an answer of the assistant.")
    return {"messages": before + chosen, "rejected": rejected}
  _refuse_tools(fields, place)
  if "messages" in fields:
    return {"messages": answered(messages(fields["messages"], record), place)}
  if {"prompt", "completion"} <= fields.keys():
    row = Row(record, {}, "openai")
    turns = row.turns("user", fields["prompt"]) + row.turns("assistant", fields["completion"])
    return {"messages": answered(turns, place)}
  columns = ", ".join(map(repr, fields))
  raise InputError(
    f"{place}: the columns {columns} are none of OpenAI's: messages; prompt and completion; {', '.join(PAIR)}."
  )


def messages(value: Any, record: Record) -> list[dict[str, Any]]:
  """Checked messages: roles that ftjax has, text alone, and weight 0 where an answer is not trained
  on. Raises InputError naming the row's place."""
  row = Row(record, {}, "messages")
  if not isinstance(value, (list, tuple)) or not value:
    raise row.error("'messages' must be a list of at least one message.")
  out = []
  for number, given in enumerate(value, 1):
    if isinstance(given, Mapping):
      if any(given.get(name) for name in _CALLS) or given.get("role") in ("tool", "function"):
        raise row.error(
          f"message {number} is a tool call or its result, which ftjax does not train on. Remove the row, or write the call "
          "as text."
        )
      _only_text(given.get("content", given.get("value")), number, row)
    message: dict[str, Any] = dict(row.message(given))
    message["role"] = _ROLES.get(message["role"], message["role"])
    if message["role"] not in KNOWN:
      raise row.error(
        f"message {number} has the role {message['role']!r}. Use one of: {', '.join(KNOWN)}."
      )
    weight = given.get("weight")
    if weight is not None:
      if weight not in (0, 1) or message["role"] != "assistant":
        raise row.error(
          f"message {number} has the weight {weight!r}; an assistant's message may have 0 or 1."
        )
      if weight == 0:
        message["weight"] = 0
    out.append(message)
  return out


def answered(turns: list[dict[str, Any]], place: str) -> list[dict[str, Any]]:
  """`turns`, if an answer among them is trained on. Raises InputError otherwise."""
  trained = [m for m in turns if m["role"] == "assistant" and m.get("weight", 1)]
  if not trained:
    raise InputError(
      f"{place}: no trained token: no message of the assistant, or all with weight 0."
    )
  if any(not m["content"].strip() for m in trained):
    raise InputError(
      f"{place}: no trained token: an answer is empty. Write one, or remove the row."
    )
  return turns


def _refuse_tools(fields: Mapping[str, Any], place: str) -> None:
  for name in ("tools", "functions"):
    if fields.get(name):
      raise InputError(
        f"{place}: the row defines {name} for calls, which ftjax does not train on. Remove the row, or this key."
      )


def _only_text(content: Any, number: int, row: Row) -> None:
  for part in content if isinstance(content, (list, tuple)) else ():
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind not in (None, "text"):
      raise row.error(f"message {number} has a part of type {kind!r}; ftjax reads text alone.")
