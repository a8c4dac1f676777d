"""Hyphens at the ends of lines: of a word that was divided there, or a compound's own."""

from __future__ import annotations

import re
from collections.abc import Iterable

_END = re.compile(r"([^\W\d_]{2,})[-\u00ad\u2010]$")
_WORD = re.compile(r"[^\W\d_]+(?:[-\u2010'’][^\W\d_]+)*")
# First parts of compounds that are written with a hyphen, and hardly the first syllable of another word.
_FIRST = set(
  "all bitter broad cold cross deep double east ever far fast fine first five four free full front half hard heavy "
  "high ill jet large last left long low near new next nine non north old one open quick ready red right "
  "self semi seven short single six slow small soft south third three top two ultra user warm well west "
  "white wide world year".split()
)
# What makes another word of such a part: "self-ish", "long-est", "high-way".
_SECOND = set(
  "age ages al body ed en ened ens er ers est ing ings ion ish ity land lands less light lights line lines ly ness "
  "self selves side stand ten th thing time times ty way ways where".split()
)


class Words:
  """The words of a file, which say how one that stands at a line's end is written elsewhere."""

  def __init__(self, lines: Iterable[str]):
    self.known = {
      word.lower().replace("\u2010", "-") for line in lines for word in _WORD.findall(line)
    }

  def divided(self, before: str, after: str) -> bool:
    """Whether a hyphen stands between the two, inside what may be one word."""
    return bool(_END.search(before)) and after[:1].islower()

  def whole(self, before: str, after: str) -> str:
    """Both lines as one; the hyphen stays where it belongs to a compound."""
    return before + after if self._compound(before, after) else before[:-1] + after

  def _compound(self, before: str, after: str) -> bool:
    if before.endswith("\u00ad"):
      return False
    first, second = _END.search(before)[1].lower(), _WORD.match(after)[0].lower()
    if first + second in self.known:
      return False
    if f"{first}-{second}" in self.known:
      return True
    if re.search(r"\w[-\u2010]\w*.$", before):  # "state-of-the-"
      return True
    return first in _FIRST and second not in _SECOND
