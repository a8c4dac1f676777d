"""Stanford Alpaca's rows, with LLaMA-Factory's columns for longer conversations and preference pairs.

{"instruction", "input", "output"}, then "system" and "history" ([[user, assistant], ...] before the
last turn) where there are any; a preference pair has "chosen" and "rejected" for "output". Sources:
tatsu-lab/stanford_alpaca, README ("Data Release"); hiyouga/LLaMA-Factory, data/README.md ("Alpaca
Format"). The whole user turn is the instruction and "input" is empty: readers differ in how they
join the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ftjax.config import InputError
from ftjax.data.example import Example, Message
from ftjax.data.lines import write_lines
from ftjax.data.preference import parts


def write(examples: Iterable[Example], path: str | Path) -> int:
  """Writes one JSON object a line; returns the number of rows. Raises InputError naming the row for
  what the format cannot say; then nothing is written."""
  return write_lines(examples, path, row)


def row(example: Example) -> dict[str, Any]:
  """The row as it is written. Raises InputError naming the row: for a document, roles that do not
  alternate user, assistant (after one system message at most), and an answer of weight 0, as all
  answers are trained on."""
  place = example.origin.place
  if example.kind == "text":
    raise InputError(
      f"{place}: a document has no instruction, which the alpaca format is about. Make rows with a prompt of documents: "
      "--config.rows=title, outline, section or opening; or leave alpaca out of --config.write.formats."
    )
  if example.kind == "preference":
    prompt, chosen, rejected = parts(example)
    out = _turns([*prompt, chosen], place)
    answer = out.pop("output")
    return out | {"chosen": answer, "rejected": rejected["content"]}
  return _turns(list(example.messages), place)


def _turns(messages: list[Message], place: str) -> dict[str, Any]:
  system = messages.pop(0)["content"] if messages[0]["role"] == "system" else ""
  roles = [m["role"] for m in messages]
  if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
    raise InputError(
      f"{place}: the alpaca format takes turns of user and assistant, after one system message at most; this row has "
      f"{', '.join(roles) or 'none'}. Write the openai or jsonl format instead."
    )
  if more := {k for m in messages for k in m} - {"role", "content", "weight"}:
    raise InputError(
      f"{place}: the alpaca format has no {', '.join(sorted(more))}. Write the openai or jsonl format instead."
    )
  if any(m.get("weight", 1) != 1 for m in messages):
    raise InputError(
      f"{place}: an answer has another weight than 1, and the alpaca format trains on every answer alike. Write the "
      "openai or jsonl format instead."
    )
  texts = [m["content"] for m in messages]
  history = [[user, answer] for user, answer in zip(texts[:-2:2], texts[1:-2:2], strict=True)]
  out: dict[str, Any] = {"instruction": texts[-2], "input": "", "output": texts[-1]}
  return out | ({"system": system} if system else {}) | ({"history": history} if history else {})
