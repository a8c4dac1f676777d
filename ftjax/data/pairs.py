"""A preference pair taken apart: the prompt, the answer that was chosen, the one that was not."""

from __future__ import annotations

from ftjax.config import InputError
from ftjax.data.example import Example, Message


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
