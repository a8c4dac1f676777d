"""Preference pairs: read from whatever columns hold them, and taken apart to be written."""

from __future__ import annotations

from ftjax.config import InputError
from ftjax.data import format as formats
from ftjax.data.example import Example
from ftjax.data.row import Row
from ftjax.text import messages
from ftjax.text.messages import Message


def pair(row: Row) -> tuple[list[Message], list[Message]]:
  """(the conversation with the chosen answer, the other answer alone).

  "chosen" and "rejected" are texts, messages, or whole conversations; the prompt is one of the
  columns that ask, text or messages, or what both conversations begin with. Raises InputError
  naming the row's place for a pair without a prompt, and for answers that are empty or alike.
  """
  given = row.record.fields
  # ftjax itself writes the prompt and the chosen answer as one conversation.
  whole = "" if row.fields.get("chosen", "chosen") in given else "messages"
  at = {name: row.at(name) for name in (whole or "chosen", "rejected")}
  chosen, rejected = (row.turns("assistant", name) for name in at)
  columns = [row.fields.get(name, name) for name in formats.ASKED]
  column = next((c for c in columns if given.get(c)), "")
  if whole:
    before, chosen = chosen[:-1], chosen[-1:]
    _, rejected = messages.continued(before, rejected, at["rejected"])
  elif column:
    asked = row.said("user", given[column], f"{row.record.place}: {column!r}")
    _, rejected = messages.continued(asked, rejected, at["rejected"])
    before, chosen = messages.continued(asked, chosen, at["chosen"])
  else:  # Two whole conversations, alike up to their answers.
    alike = [a == b for a, b in zip(chosen, rejected, strict=False)]
    same = alike.index(False) if False in alike else len(alike)
    before, chosen, rejected = chosen[:same], chosen[same:], rejected[same:]
  for name, answer in (("chosen", chosen), ("rejected", rejected)):
    if not answer or answer[-1]["role"] != "assistant":
      raise row.error(f"{name!r} must end in an answer that is not the other one and not empty.")
  if not before:
    raise row.error(
      f"no prompt: a preference pair needs one of the columns {', '.join(formats.ASKED)}."
    )
  if chosen == rejected:
    raise row.error("the chosen answer and the other are the same.")
  return row.finished(before + chosen), rejected


def parts(example: Example) -> tuple[list[Message], Message, Message]:
  """(prompt, chosen, rejected) of a preference pair. Its `rejected` is the other answer, with the
  prompt before it or without. Raises InputError naming the row where the two do not answer the same
  prompt, or where one of them does not end in an answer."""
  prompt, rejected = list(example.messages[:-1]), list(example.rejected)
  chosen = example.messages[-1]
  before = rejected[:-1]
  if before and _contents(before) != _contents(prompt):
    raise InputError(
      f"{example.origin.place}: the chosen and the rejected answer follow different prompts, so they do not compare. "
      "Give both the same messages before the last."
    )
  for name, message in (("chosen", chosen), ("rejected", rejected[-1])):
    if message["role"] != "assistant":
      raise InputError(
        f"{example.origin.place}: the {name} messages end in a {message['role']} message; the last must be the "
        "assistant's."
      )
  return prompt, chosen, rejected[-1]


def _contents(messages: list[Message]) -> list[tuple[str, str]]:
  return [(m["role"], m["content"]) for m in messages]
