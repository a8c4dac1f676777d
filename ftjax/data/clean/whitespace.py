"""Spaces at the ends of lines and blank lines beyond one are removed; code keeps its lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ftjax.data.clean.code import blocks
from ftjax.data.example import Example

_ENDS = re.compile(r"[^\S\n]\n")
_RARE = re.compile(r"[\x0b\x0c\x1c-\x1f]\n")  # What ends a line of ASCII beside space and tab.


def tidy(text: str) -> str:
  """Line ends are "\\n" and bear no spaces, at most one blank line stands between two others
  (fenced code keeps its own), none at either end. Indentation and spaces within a line stay as
  they are, for tables and code without a fence; a first line's goes where no line after it has
  any."""
  if not _odd(text):
    return text
  text = text.replace("\r\n", "\n").replace("\r", "\n")
  text = "\n".join([line.rstrip() for line in text.split("\n")])
  if "\n\n\n" in text:
    text = _squeeze(text)
  text = text.strip("\n")
  if text[:1].isspace() and not any(line[:1].isspace() for line in text.split("\n")[1:]):
    text = text.lstrip()
  return text


def _odd(text: str) -> bool:
  """Whether there is anything to do; most texts have nothing."""
  if not text or text[0].isspace() or text[-1].isspace() or "\n\n\n" in text or "\r" in text:
    return bool(text)
  if text.isascii():
    return " \n" in text or "\t\n" in text or _RARE.search(text) is not None
  return _ENDS.search(text) is not None


def _squeeze(text: str) -> str:
  parts: list[str] = []
  for fenced, part in blocks(text):
    if not fenced:
      part = re.sub(r"\n{3,}", "\n\n", part)
      part = re.sub(r"\A\n\n+", "\n", part) if parts else part
    parts.append(part)
  return "".join(parts)


@dataclass(frozen=True)
class Whitespace:
  name: ClassVar[str] = "whitespace"

  def __call__(self, example: Example, counts: Counter[str]) -> Example:
    return example.map(tidy)


def make(settings: Mapping[str, Any]) -> Whitespace | None:
  """settings: `config.clean`."""
  return Whitespace() if settings["whitespace"] else None
