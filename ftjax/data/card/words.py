"""The words in which two texts differ, with what is invisible among them made visible."""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher

Runs = list[tuple[str, bool]]
CUT = "..."  # what an excerpt that goes on ends with
_SEEN = {" ": "\u00b7", "\n": "\u21b5\n", "\t": "\u21e5"}


def difference(a: str, b: str) -> tuple[Runs, Runs]:
  """Each text as runs of (text, whether the other lacks it), which join to the text itself.

  Where both are cut at the same length, words beyond the shorter one's end are no difference.
  """
  ours, theirs = _pieces(a), _pieces(b)
  left: Runs = []
  right: Runs = []
  matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
  codes = matcher.get_opcodes()
  last = len(codes) - 2 if a.endswith(CUT) and b.endswith(CUT) else -1
  for at, (tag, i1, i2, j1, j2) in enumerate(codes):
    one, other = "".join(ours[i1:i2]), "".join(theirs[j1:j2])
    cut = at == last and (one.startswith(other) or other.startswith(one))
    left += [(one, tag != "equal" and not cut)] if one else []
    right += [(other, tag != "equal" and not cut)] if other else []
  return left, right


def visible(text: str) -> str:
  """A differing run as it is shown: characters without a shape by their numbers, and white space as
  signs where the run has nothing else."""
  blank = all(c.isspace() or _shapeless(c) for c in text)
  sign = lambda c: _SEEN.get(c, c) if blank else c
  return "".join(f"[U+{ord(c):04X}]" if _shapeless(c) else sign(c) for c in text)


def _shapeless(c: str) -> bool:
  return c not in "\n\t" and unicodedata.category(c) in ("Cf", "Cc")


def _pieces(text: str) -> list[str]:
  return re.findall(r"\w+|\s|[^\w\s]", text)
