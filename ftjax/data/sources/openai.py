"""Files for OpenAI's fine-tuning endpoint: chat with weights, prompt and completion, and preference
pairs. Read by name, as "openai:rows.jsonl", or known by their columns.

https://platform.openai.com/docs/guides/supervised-fine-tuning and .../direct-preference-optimization.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ftjax.config import InputError
from ftjax.data import format as formats
from ftjax.data.record import Bad, Record, raise_error
from ftjax.data.row import Row
from ftjax.data.sources import jsonl
from ftjax.data.sources._reading import DEFAULT, Reading
from ftjax.text import messages

PAIR = ("input", "preferred_output", "non_preferred_output")


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """One record {"messages"} a row, with "rejected" (the other answer) for a preference pair. Tells
  `bad` of rows with images or unknown roles, and without an answer to train on."""
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
  fields, row = record.fields, Row(record, {}, "openai")
  if all(name in fields for name in PAIR):
    asked = fields["input"]
    if not isinstance(asked, Mapping):
      raise row.error("'input' must be an object such as {\"messages\": [...]}.")
    before = messages.normal(asked.get("messages"), f"{row.at('input')}, 'messages'")
    before = messages.offering(before, asked.get("tools"), f"{row.at('input')}, 'tools'")
    chosen, rejected = (messages.normal(fields[name], row.at(name)) for name in PAIR[1:])
    for name, answer in zip(PAIR[1:], (chosen, rejected), strict=True):
      if answer[-1]["role"] != "assistant":
        raise row.error(f"{name!r} must end in an answer of the assistant.")
    if chosen == rejected:
      raise row.error("the preferred answer and the other are the same.")
    return {"messages": row.finished(before + chosen), "rejected": rejected}
  for name in ("messages", "prompt_completion"):
    if all(need in fields for need in formats.NEEDS[name]):
      return {"messages": formats.answered(formats.to_messages(record, name), record.place)}
  columns = ", ".join(map(repr, fields))
  raise row.error(
    f"the columns {columns} are none of OpenAI's: messages; prompt and completion; {', '.join(PAIR)}."
  )
