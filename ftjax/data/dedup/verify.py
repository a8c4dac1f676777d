"""The exact Jaccard similarity of pairs of rows, from their sketches' shingle sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ftjax.data.dedup.hashing import positions
from ftjax.data.dedup.signatures import Sketch

RESPONSE, PROMPT = 0, 1
_BATCH = 1 << 17  # shingles that are compared at once


class Shingles:
  """The shingle sets of all rows of several sketches, by the row's index over all of them."""

  def __init__(self, sketches: Sequence[Sketch]):
    self._sketches = sketches
    self._bases = np.cumsum([0] + [len(s) for s in sketches])

  def sizes(self, side: int) -> np.ndarray:
    """int32[N]: shingles in each row's response or prompt."""
    parts = [np.diff(s.offsets)[side::2].astype(np.int32) for s in self._sketches]
    return np.concatenate([np.zeros(0, np.int32), *parts])

  def gather(self, rows: np.ndarray, side: int, sizes: np.ndarray) -> np.ndarray:
    """uint32: the shingles of `rows`, one row after the other. sizes: of each of them."""
    out = np.empty(sizes.sum(), np.uint32)
    ends = np.cumsum(sizes)
    chunks = np.searchsorted(self._bases, rows, "right") - 1
    for chunk in np.unique(chunks):
      at = np.flatnonzero(chunks == chunk)
      sketch, number = self._sketches[chunk], sizes[at]
      within = positions(number)
      starts = sketch.offsets[2 * (rows[at] - self._bases[chunk]) + side]
      source = sketch.shingles[np.repeat(starts, number) + within]
      out[np.repeat(ends[at] - number, number) + within] = source
    return out


def similarities(
  shingles: Shingles, sizes: np.ndarray, first: np.ndarray, second: np.ndarray, threshold: float
) -> np.ndarray:
  """float64 per pair: the lower of the similarities of responses and of prompts; 0 where either is
  below `threshold`. sizes: int32[2, N], of responses and prompts. Two rows without a prompt have
  similar prompts; two blank responses have nothing in common."""
  found = _side(shingles, sizes[RESPONSE], RESPONSE, first, second, threshold)
  left = np.flatnonzero((found > 0) & (sizes[PROMPT][first] + sizes[PROMPT][second] > 0))
  if len(left):
    prompts = _side(shingles, sizes[PROMPT], PROMPT, first[left], second[left], threshold)
    found[left] = np.minimum(found[left], prompts)
  return found


def _side(shingles, sizes, side, first, second, threshold) -> np.ndarray:
  out = np.zeros(len(first))
  a, b = sizes[first].astype(np.int64), sizes[second].astype(np.int64)
  # No pair is more similar than the smaller set is large in the larger one.
  may = np.flatnonzero((np.minimum(a, b) >= threshold * np.maximum(a, b) * (1 - 1e-9)) & (a > 0))
  ends = np.cumsum(a[may] + b[may])
  low = 0
  while low < len(may):
    done = ends[low - 1] if low else 0
    high = max(low + 1, int(np.searchsorted(ends, done + _BATCH, "right")))
    at = may[low:high]
    one = shingles.gather(first[at], side, a[at])
    other = shingles.gather(second[at], side, b[at])
    out[at] = jaccard(one, a[at], other, b[at])
    low = high
  out[out < threshold] = 0
  return out


def jaccard(one: np.ndarray, a: np.ndarray, other: np.ndarray, b: np.ndarray) -> np.ndarray:
  """float64[len(a)]: |A & B| / |A | B| of pairs of sets, none of them empty. one: the sets A, of
  sizes a, one after the other; other: the sets B."""
  tag = lambda sizes: np.repeat(np.arange(len(sizes), dtype=np.uint64) << np.uint64(32), sizes)
  keys = np.concatenate([tag(a) | one, tag(b) | other])
  keys.sort()
  twice = keys[1:][keys[1:] == keys[:-1]] >> np.uint64(32)
  common = np.bincount(twice.astype(np.int64), minlength=len(a))
  return common / (a + b - common)
