"""How varied the responses are, without embeddings, over a sample of them."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from ftjax.data.dedup.hashing import mix, positions
from ftjax.data.dedup.words import words
from ftjax.data.example import Example

_OPENING = 4  # words
_REPEATED = 4  # words of an n-gram that counts as repeated (Salkar et al. 2022)
_CHARACTERS = 2000  # of a response that count, so that a few books do not decide


@dataclass
class Diversity:
  """A sample that can be merged: the `size` different responses whose hashes are lowest, so it
  depends on neither the order nor the division of the rows."""

  size: int = 2000
  _sample: list[tuple[int, str]] = field(default_factory=list)  # a heap: the largest hash first
  _keys: set[int] = field(default_factory=set)  # of the sample

  def update(self, example: Example) -> None:
    """Offers one row."""
    text = example.response[:_CHARACTERS]
    key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    self._offer(-int.from_bytes(key), text)

  def _offer(self, key: int, text: str) -> None:
    if key in self._keys:
      return
    if len(self._sample) < self.size:
      heapq.heappush(self._sample, (key, text))
    elif key > self._sample[0][0]:
      self._keys.discard(heapq.heapreplace(self._sample, (key, text))[0])
    else:
      return
    self._keys.add(key)

  def merge(self, other: Diversity) -> None:
    """Adds the sample of other rows."""
    for key, text in other._sample:
      self._offer(key, text)

  def result(self) -> dict:
    """rows: sampled. distinct_1, _2, _3: different n-grams over all n-grams (Li et al. 2016, A
    Diversity-Promoting Objective Function); lower for more text, so compare data sets by samples of
    equal size. self_repetition: the share of rows with a run of four words that stands in another
    row as well (after Salkar et al. 2022). openings: the most frequent first four words that come
    more than once, {"opening": share of rows}."""
    texts = [text for _, text in sorted(self._sample, reverse=True)]
    flat, counts = words(texts)
    out: dict = {"rows": len(texts)}
    for n in (1, 2, 3):
      grams = _grams(flat, counts, n)[0]
      out[f"distinct_{n}"] = len(np.unique(grams)) / len(grams) if len(grams) else 0.0
    out["self_repetition"] = _self_repetition(*_grams(flat, counts, _REPEATED), len(texts))
    openings = Counter(" ".join(text.split(None, _OPENING)[:_OPENING]) for text in texts)
    out["openings"] = {
      opening: n / len(texts) for opening, n in openings.most_common(10) if n > 1 and opening
    }
    return out


def _grams(flat: np.ndarray, counts: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
  """(uint64 hashes of all n-grams that lie within a row, the row of each)."""
  rows = np.repeat(np.arange(len(counts)), counts)
  whole = positions(counts) + n <= np.repeat(counts, counts)
  padded = np.concatenate([flat, np.zeros(n - 1, np.uint64)])
  hashed = flat
  for j in range(1, n):
    hashed = mix(hashed) + padded[j : j + len(flat)]  # not a plain sum: order matters
  return hashed[whole], rows[whole]


def _self_repetition(grams: np.ndarray, rows: np.ndarray, total: int) -> float:
  if not total:
    return 0.0
  pairs = np.unique(np.stack([grams, rows.astype(np.uint64)], axis=1), axis=0)
  _, gram, counts = np.unique(pairs[:, 0], return_inverse=True, return_counts=True)
  return len(np.unique(pairs[counts[gram] > 1, 1])) / total
