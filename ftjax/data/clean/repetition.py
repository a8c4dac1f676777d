"""How much of a text repeats itself: the measures of Gopher (Rae et al. 2021, table A1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_BASE = np.uint64(0x9E3779B97F4A7C15)  # Any large odd number: products wrap round in 64 bits.


def repeated(parts: Sequence[str]) -> tuple[float, float]:
  """(share of the parts that stood before, share of their characters that did)."""
  seen: set[str] = set()
  count = characters = 0
  for part in parts:
    if part in seen:
      count += 1
      characters += len(part)
    seen.add(part)
  return count / max(1, len(parts)), characters / max(1, sum(map(len, parts)))


class Grams:
  """The n-grams of a text's words, as numbers. All shares are of the characters of all words."""

  def __init__(self, words: Sequence[str]):
    numbers: dict[str, int] = {}
    ids = [numbers.setdefault(w, len(numbers)) for w in words]
    self.ids = (np.array(ids, np.uint64) + np.uint64(1)) * _BASE
    # ends[i]: the characters of the first i words.
    self.ends = np.concatenate([[0], np.cumsum([len(w) for w in words])])
    self.codes = {1: self.ids}

  def of(self, n: int) -> np.ndarray:
    """uint64 [words - n + 1]: equal where the n-grams are (but for one chance in 2^64 a pair)."""
    if n not in self.codes:
      shorter = self.of(n - 1)
      mixed = shorter ^ (shorter >> np.uint64(29))
      self.codes[n] = mixed[:-1] * _BASE + self.ids[n - 1 :]
    return self.codes[n]

  def top(self, n: int) -> float:
    """The share in the most frequent n-gram, the first of those that are; 0.0 where none comes
    twice."""
    if len(self.ids) <= n:
      return 0.0
    _, first, counts = np.unique(self.of(n), return_index=True, return_counts=True)
    most = counts.max()
    at = first[counts == most].min()
    return float(most * (self.ends[at + n] - self.ends[at]) / self.ends[-1]) if most > 1 else 0.0

  def duplicate(self, n: int) -> float:
    """The share in n-grams that stood before, each character counted once. The first time an
    n-gram comes it is no repetition."""
    if len(self.ids) <= n:
      return 0.0
    codes = self.of(n)
    order = np.argsort(codes, kind="stable")
    same = codes[order[1:]] == codes[order[:-1]]
    again = order[1:][same]
    if not again.size:
      return 0.0
    change = np.zeros(len(self.ids) + 1, np.int64)
    np.add.at(change, again, 1)
    np.add.at(change, again + n, -1)
    covered = np.cumsum(change)[:-1] > 0
    return float(np.diff(self.ends)[covered].sum() / self.ends[-1])
