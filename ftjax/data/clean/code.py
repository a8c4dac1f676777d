"""What in a text is code: steps that mend prose leave it as it stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_FENCE = re.compile(r"[ \t]{0,12}(`{3,}|~{3,})")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_INLINE = re.compile(r"(?<!`)(`{1,2})(?!`)[^`\n]{1,400}\1(?!`)")


def blocks(text: str) -> Iterator[tuple[bool, str]]:
  """(is it a fenced code block, its lines) in order; together they are the text. A block opens and
  closes as in CommonMark 0.31, section 4.5; one that never closes runs to the end."""
  if "```" not in text and "~~~" not in text:
    yield False, text
    return
  part: list[str] = []
  fence = ""
  for line in _LINE.findall(text):
    found = _FENCE.match(line)
    if not fence and found:
      if part:
        yield False, "".join(part)
      part, fence = [line], found[1]
    elif fence and found and found[1].startswith(fence) and not line.strip().strip(fence[0]):
      yield True, "".join([*part, line])
      part, fence = [], ""
    else:
      part.append(line)
  if part:
    yield bool(fence), "".join(part)


def outside(text: str, change: Callable[[str], str], inline: bool = True) -> str:
  """The text with `change` made to what is not code. inline: spans between backticks are code
  too."""
  if "`" not in text and "~~~" not in text:
    return change(text)
  return "".join(
    part if fenced else (_between(part, change) if inline else change(part))
    for fenced, part in blocks(text)
  )


def _between(text: str, change: Callable[[str], str]) -> str:
  """Inline code is set aside while the rest is changed as one piece, so that a change sees what
  stands before and after it."""
  kept = [m[0] for m in _INLINE.finditer(text)]
  if not kept or "\ue000" in text:
    return change(text)
  pieces = change(_INLINE.sub("\ue000", text)).split("\ue000")
  if len(pieces) != len(kept) + 1:  # A change removed one with its surroundings: begin again.
    return text
  return "".join(a + b for a, b in zip(pieces, [*kept, ""], strict=True))
