"""Rows that are far too long, dropped before the steps that would take minutes over each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ftjax.data.example import Drop, Example

_CHARACTERS = 50  # a word: cleaning may take most of them away, never so many


@dataclass(frozen=True)
class Length:
  """Drops rows of more than 50 characters for each of the words that `quality.max_words` allows."""

  max_words: int
  name: ClassVar[str] = "length"

  def __call__(self, example: Example, counts: Counter[str]) -> Example | Drop:
    messages = (*example.messages, *example.rejected)
    count = len(example.text) + sum(len(m["content"]) for m in messages)
    most = _CHARACTERS * self.max_words
    if count > most:
      return Drop("too_long", f"{count:,} characters, at most {most:,} (quality.max_words)")
    return example


def make(settings: Mapping[str, Any]) -> Length | None:
  """settings: `config.quality`."""
  return Length(settings["max_words"]) if settings["enabled"] else None
