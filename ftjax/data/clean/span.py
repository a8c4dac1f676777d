"""Finds in a text: which of those that overlap count, and what is put in their place."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
  """text[start:end] is of `kind`. value: the find in its normal form (what is hashed), "" where it
  has none. rank: of two that overlap the higher one counts; a checksum is worth more than a
  shape."""

  start: int
  end: int
  kind: str
  value: str = ""
  rank: int = 0


def resolve(spans: Iterable[Span]) -> list[Span]:
  """Those that count, in order of place: none overlaps another. The higher rank wins, then the
  longer one, then the earlier."""
  starts: list[int] = []
  taken: list[Span] = []  # In order of place, as `starts`.
  for span in sorted(spans, key=lambda s: (-s.rank, s.start - s.end, s.start)):
    i = bisect.bisect_left(starts, span.end)  # Those from here on begin behind it.
    if i == 0 or taken[i - 1].end <= span.start:
      starts.insert(i, span.start)
      taken.insert(i, span)
  return taken


def substitute(text: str, spans: Iterable[Span], label: Callable[[Span], str]) -> str:
  """The text with `label(span)` in the place of each span; they are in order and apart."""
  parts, at = [], 0
  for span in spans:
    parts += [text[at : span.start], label(span)]
    at = span.end
  return "".join([*parts, text[at:]])
