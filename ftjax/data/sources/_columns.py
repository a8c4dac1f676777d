"""Columns of a PDF's page that are drawn row by row: seen from where the pieces stand, and put in order."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from pypdf import PageObject

_ROWS = 5  # that two columns must share before they are looked for
_GAP = 100  # points from the start of one column to that of the next, at least
_PROSE = 20  # characters of a column's lines; a table's cells are shorter
_GOES_ON = 0.3  # share of a column's lines that go on with a sentence, from which on it is prose
_SHOWS = (b"Tj", b"TJ", b"'", b'"')


class Pieces:
  """Where a page's pieces of text stand, in the order in which they are drawn; a visitor for pypdf."""

  def __init__(self):
    self.before: tuple[float, float] | None = None
    self.row_start = 0.0
    self.starts: Counter[int] = Counter()  # x of pieces that follow others in their row

  def __call__(self, operator, operands, cm, tm) -> None:
    if operator not in _SHOWS:
      return
    x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
    y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
    if self.before is None or abs(y - self.before[1]) > 2:
      self.row_start = x
    elif x - self.row_start > _GAP:
      self.starts[round(x)] += 1
    self.before = x, y

  @property
  def interleaved(self) -> bool:
    """Whether a second column may begin at one place in many rows, each after its row's first."""
    return bool(self.starts) and self.starts.most_common(1)[0][1] >= _ROWS


class NotApart(ValueError):
  """Two columns of prose that cannot be told apart."""


def in_order(page: PageObject) -> list[str] | None:
  """The page's lines, one column after the other; None where its rows are no two columns of prose, such as
  those of a table. Raises NotApart."""
  rows = page.extract_text(extraction_mode="layout").split("\n")
  split = [re.split(r"\s{3,}", row.strip()) for row in rows]
  pairs = [(row, parts) for row, parts in zip(rows, split, strict=True) if len(parts) == 2]
  if len(pairs) < _ROWS or not all(_prose([parts[i] for _, parts in pairs]) for i in (0, 1)):
    return None
  ends = max(row.index(parts[0]) + len(parts[0]) for row, parts in pairs)
  starts = min(row.rindex(parts[1]) for row, parts in pairs)
  if ends >= starts:
    raise NotApart
  out: list[str] = []
  left: list[str] = []
  right: list[str] = []
  for row in [*rows, "x" * (starts + 1)]:
    if (
      len(row) > ends and row[ends:starts].strip()
    ):  # from one column into the other, such as a heading
      out += [*left, *right, row.strip()]
      left, right = [], []
    else:
      left.append(row[:ends].strip())
      right.append(row[starts:].strip())
  return out[:-1]


def _prose(lines: list[str]) -> bool:
  long = sorted(map(len, lines))[len(lines) // 2] >= _PROSE
  return long and sum(line[0].islower() for line in lines) >= _GOES_ON * len(lines)
