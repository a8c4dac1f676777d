"""A row of the dataset that is being prepared, and what a step of preparation is."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ftjax.text.messages import Message, said


@dataclass(frozen=True, slots=True)
class Origin:
  """Where a row comes from. row: its line, record or page in `path`, from 1. licence and date as
  the source or the config states them; "" = not known. date: ISO 8601."""

  source: str = ""  # the source's name in the config
  path: str = ""
  row: int = 0
  licence: str = ""
  date: str = ""
  url: str = ""

  @property
  def place(self) -> str:
    return f"{self.path}:{self.row}" if self.row else self.path


@dataclass(frozen=True, slots=True)
class Example:
  """A document (`text`), a conversation (`messages`), or a preference pair (`messages` end in the
  chosen answer, `rejected` is the other)."""

  text: str = ""
  messages: tuple[Message, ...] = ()
  rejected: tuple[Message, ...] = ()
  origin: Origin = field(default_factory=Origin)
  category: str = ""
  title: str = ""
  weight: float = 1.0

  @property
  def kind(self) -> str:
    """text | messages | preference."""
    return "preference" if self.rejected else "messages" if self.messages else "text"

  @property
  def response(self) -> str:
    """What is trained on: the document, or the answers, with blank lines between."""
    if not self.messages:
      return self.text
    return "\n\n".join(said(m) for m in self.messages if m["role"] == "assistant")

  @property
  def prompt(self) -> str:
    """What stands before and between the answers; "" for a document."""
    return "\n\n".join(said(m) for m in self.messages if m["role"] != "assistant")

  @property
  def id(self) -> str:
    """The hash of the content alone, 32 hex digits: origin, category and weight do not enter."""
    content = [self.text, self.messages, self.rejected]
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

  def map(self, change: Callable[[str], str]) -> Example:
    """With `change` made to every text in it; itself where nothing changes."""
    text = change(self.text) if self.text else self.text
    messages = tuple(_changed(m, change) for m in self.messages)
    rejected = tuple(_changed(m, change) for m in self.rejected)
    if (text, messages, rejected) == (self.text, self.messages, self.rejected):
      return self
    return replace(self, text=text, messages=messages, rejected=rejected)


def _changed(message: Message, change: Callable[[str], str]) -> Message:
  """With `change` made to the text of a message, its reasoning, and what it calls tools with."""
  out = message | {"content": change(message["content"]) if message["content"] else ""}
  if "reasoning_content" in message:
    out["reasoning_content"] = change(message["reasoning_content"])
  if "tool_calls" in message:
    calls = (
      (c, c["function"] | {"arguments": _within(c["function"]["arguments"], change)})
      for c in message["tool_calls"]
    )
    out["tool_calls"] = [call | {"function": function} for call, function in calls]
  return out


def _within(value: Any, change: Callable[[str], str]) -> Any:
  if isinstance(value, dict):
    return {k: _within(v, change) for k, v in value.items()}
  if isinstance(value, list):
    return [_within(v, change) for v in value]
  return change(value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Drop:
  """A step's refusal. reason: a short name within the step, as in "too_short". detail: the figure
  and its bound, as in "12 words, at least 20"; never a value that the step exists to hide."""

  reason: str
  detail: str = ""


class Step(Protocol):
  """One thing done to every row alone. It can be pickled, loads what it needs at its first call,
  and gives the same result wherever and in whatever order it runs.

  `counts` collects figures for the report under the step's own names ("email": 2).
  """

  name: str

  def __call__(self, example: Example, counts: Counter[str]) -> Example | Drop: ...
