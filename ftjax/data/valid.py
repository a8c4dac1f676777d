"""Whether a row is right, and what it says: the one answer for training, preparation and checking."""

from __future__ import annotations

from typing import Any

from ftjax.data import format as formats
from ftjax.data import preference
from ftjax.data.record import Record
from ftjax.data.row import Row
from ftjax.data.sources import openai

# format: the columns that it cannot do without, in the order in which they are looked for.
NEEDS = {
  "openai preference": openai.PAIR,
  "preference": ("chosen", "rejected"),
  "messages preference": ("messages", "rejected"),  # as ftjax writes them
} | formats.NEEDS


def content(record: Record, kind: str) -> Any:
  """What a row of this format says, in the one form that everything reads: a text, messages, a pair
  of messages, or lists of ids. Raises InputError that names its place for a row that is not right."""
  if kind == "text":
    return formats.to_text(record)
  if kind == "tokens":
    return [array.tolist() for array in formats.to_tokens(record)]
  if kind == "openai preference":
    return tuple(openai.normal(record).values())
  if kind in ("preference", "messages preference"):
    return preference.pair(Row(record, {}, "preference"))
  formats.refuse_preference(record)
  return formats.answered(formats.to_messages(record, kind), record.place)
