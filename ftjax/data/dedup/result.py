"""What was found: which rows stay, which row stands for a removed one, and who belongs together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

KEPT, EXACT, NEAR = 0, 1, 2


@dataclass(frozen=True)
class Duplicates:
  """Of N rows, in the order of their sketches.

  keep: bool[N]. cluster: int64[N], a number that all rows share which verified similarity, equal
  words or an equal prompt joins, from 0, by the clusters' best rows. of: int64[N], the kept row that
  a removed one repeats, or -1. reason: uint8[N], KEPT, EXACT or NEAR. similarity: float32[N], to
  that kept row; 0 for kept rows.
  """

  keep: np.ndarray
  cluster: np.ndarray
  of: np.ndarray
  reason: np.ndarray
  similarity: np.ndarray
  threshold: float = 0.8

  def against(self, rows: np.ndarray) -> int:
    """How many rows outside `rows` (bool[N], such as the validation rows) were removed for one in
    it."""
    removed = np.flatnonzero(~self.keep & ~rows)
    return int(rows[self.of[removed]].sum())

  def why(self, row: int) -> str:
    """Why a removed row was removed, for people."""
    if self.reason[row] == EXACT:
      return "the same words, whatever their case and punctuation"
    share = float(self.similarity[row])
    return f"{share:.0%} of their shingles are common, at least {self.threshold:.0%}"

  def summary(self) -> dict:
    """Numbers for the report: removed rows by reason, clusters of at least two rows by size, and a
    histogram of the similarities of near duplicates."""
    sizes = np.bincount(self.cluster) if len(self.cluster) else np.zeros(0, np.int64)
    many = Counter(sizes[sizes > 1].tolist())
    near = self.similarity[self.reason == NEAR]
    edges = np.linspace(self.threshold, 1, 11)
    counts = np.histogram(np.clip(near, self.threshold, 1), edges)[0]
    return {
      "exact": int((self.reason == EXACT).sum()),
      "near": len(near),
      "clusters": sum(many.values()),
      "clusters_of": {str(size): many[size] for size in sorted(many)},
      "similarity": {"edges": [round(x, 4) for x in edges.tolist()], "counts": counts.tolist()},
    }
