"""The words in which two texts differ."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

Runs = list[tuple[str, bool]]


def difference(a: str, b: str) -> tuple[Runs, Runs]:
  """Each text as runs of (text, whether the other lacks it), which join to the text itself."""
  ours, theirs = _pieces(a), _pieces(b)
  left: Runs = []
  right: Runs = []
  matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
  for tag, i1, i2, j1, j2 in matcher.get_opcodes():
    left += [("".join(ours[i1:i2]), tag != "equal")] if i2 > i1 else []
    right += [("".join(theirs[j1:j2]), tag != "equal")] if j2 > j1 else []
  return left, right


def _pieces(text: str) -> list[str]:
  return re.findall(r"\w+|\s+|[^\w\s]", text)
