"""Where in a text digits stand close together, and what words stand before a find."""

from __future__ import annotations

import re

# Seven digits with at most three other characters from one to the next: no phone, card, IBAN or
# national id is sparser, but two with letters (UK, India). Rows without such a place (most) are not
# looked at any further.
_DENSE = re.compile(
  r"\d(?:[^\d\n]{0,3}\d){6,}|\b[A-Z]{2}(?: ?\d\d){3} ?[A-D]\b|\b[A-Z]{5}\d{4}[A-Z]\b"
)
_LEFT, _RIGHT = (
  14,
  24,
)  # What belongs to a find may stand before its digits ("GB82 WEST") and after.
_REACH = 32  # Characters before a find in which its name may stand.

# What the digits after these words are, whatever their shape.
OTHER_NUMBER = re.compile(
  r"(?:\b(?:order|invoice|tracking|serial|part|item|model|sku|isbn|issn|doi|ean|upc|asin|case|ticket|ref(?:erence)?|patent|"
  r"catalog(?:ue)?|product|article|version|build|pmid|arxiv|oclc|lot|batch|page|pages|vol|volume|figure|bestellung|rechnung|commande)"
  r"(?:[ _-]?(?:no|nr|number|num|id|code|nummer))?|#|№)[\s.:#=-]{0,4}\Z",
  re.I,
)


def windows(text: str) -> list[tuple[int, int]]:
  """Places (start, end) in which a number of seven digits or more may stand, apart and in order."""
  out: list[tuple[int, int]] = []
  for m in _DENSE.finditer(text):
    start, end = max(0, m.start() - _LEFT), min(len(text), m.end() + _RIGHT)
    if out and start <= out[-1][1]:
      start = out.pop()[0]
    out.append((start, end))
  return out


def before(text: str, start: int) -> str:
  """The characters before a find in which its name may stand."""
  return text[max(0, start - _REACH) : start]
