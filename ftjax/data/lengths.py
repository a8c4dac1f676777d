"""How long rows are: histograms that can be added, in which percentiles are found to within 2%."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

_BITS = 6  # Below 2 ** (_BITS + 1) = 128 a bin is one value; above, 64 bins an octave.
EXACT = 2 ** (_BITS + 1)  # below it, percentiles are exact
_FEW = 8  # bars of a picture
PERCENTILES = (5, 50, 95, 99)


@dataclass
class Lengths:
  """Counts of lengths (whole numbers from 0).

  A length is kept to its first seven binary digits, as in HdrHistogram: what is held does not grow
  with the number of rows, and adding two histograms gives that of all their rows, in any order.
  """

  bins: Counter[int] = field(default_factory=Counter)  # the lowest length in a bin -> rows
  total: int = 0
  longest: int = 0

  def update(self, lengths: Iterable[int]) -> None:
    """Counts each of them."""
    for n in lengths:
      self.bins[_floor(n)] += 1
      self.total += n
      self.longest = max(self.longest, n)

  def merge(self, other: Lengths) -> None:
    """Adds another histogram's rows."""
    self.bins.update(other.bins)
    self.total += other.total
    self.longest = max(self.longest, other.longest)

  @property
  def rows(self) -> int:
    return self.bins.total()

  def percentile(self, p: float) -> int:
    """The length which p% of the rows do not exceed (the nearest rank, rounded down to its bin)."""
    if p >= 100:
      return self.longest
    rank, seen = p / 100 * self.rows, 0
    for low in sorted(self.bins):
      seen += self.bins[low]
      if seen >= rank:
        return low
    return self.longest

  def result(self) -> dict[str, Any]:
    """{"edges": [n + 1], "counts": [n], "percentiles": {"p5", "p50", "p95", "p99", "max"}, "rows",
    "total", "mean"} for the report. Row i of counts has edges[i] <= length < edges[i + 1]; the edges
    go 1, 2, 3, 4, 6, 8, 12, 16, ..., or in steps of one width where rows are much alike, and begin and
    end where the rows do."""
    edges = _edges(min(self.bins, default=0), self.longest)
    counts, at = [0] * (len(edges) - 1), 0
    for low in sorted(self.bins):
      while low >= edges[at + 1]:
        at += 1
      counts[at] += self.bins[low]
    shown = {f"p{p}": self.percentile(p) for p in PERCENTILES} | {"max": self.longest}
    mean = round(self.total / self.rows, 1) if self.rows else 0.0
    return {
      "edges": edges,
      "counts": counts,
      "percentiles": shown,
      "rows": self.rows,
      "total": self.total,
      "mean": mean,
    }


def _floor(n: int) -> int:
  """n with all but its first seven binary digits set to 0."""
  shift = max(0, n.bit_length() - _BITS - 1)
  return n >> shift << shift


def _edges(low: int, high: int) -> list[int]:
  """The edges around low and high, which are edges of bins too: powers of two and one and a half
  times those; where these would be few, steps of one width, a power of two."""
  edges = [0, 1, 2]
  while edges[-1] <= high:
    edges += [edges[-1] * 3 // 2, edges[-1] * 2]
  first = max(i for i, edge in enumerate(edges) if edge <= low)
  last = min(i for i, edge in enumerate(edges) if edge > high)
  if last - first >= _FEW:
    return edges[first : last + 1]
  step = 1 << max(0, high.bit_length() - _BITS - 1)
  while high // step - low // step >= 2 * _FEW:
    step *= 2
  return list(range(low // step * step, (high // step + 1) * step + 1, step))


def words(text: str) -> int:
  """The words of a text: what stands between white space."""
  return len(text.split())
