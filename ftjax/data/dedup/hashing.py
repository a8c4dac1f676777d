"""Hashes of words, sequences of words and shingles, over whole arrays at once.

Nothing here is random: the same words have the same hash on every machine, so sketches can be kept
and compared with those of later rows.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_U = np.uint64
_ODD = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd
_INVERSE = pow(_ODD, -1, 2**64)


def mix(x: np.ndarray) -> np.ndarray:
  """The finaliser of splitmix64 (Steele, Lea and Flood 2014; Stafford's variant 13): a bijection
  of uint64 whose every output bit depends on every input bit. A new array."""
  x = x + _U(_ODD)
  x ^= x >> _U(30)
  x *= _U(0xBF58476D1CE4E5B9)
  x ^= x >> _U(27)
  x *= _U(0x94D049BB133111EB)
  x ^= x >> _U(31)
  return x


@lru_cache(maxsize=4)
def _powers(size: int) -> tuple[np.ndarray, np.ndarray]:
  """r^i and r^-i mod 2^64 for i below `size`, r odd."""
  tables = []
  for base in (_ODD, _INVERSE):
    table = np.full(size, base, np.uint64)
    table[0] = 1
    tables.append(np.cumprod(table, dtype=np.uint64))
  return tuple(tables)


def segments(codes: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
  """uint64[len(starts)]: the hash of codes[start:end], for all pairs at once; codes are not zero.

  The polynomial hash is a difference of two prefix sums of code * r^i (mod 2^64), moved back to
  exponent 0 by r^-start: which is why r is odd.
  """
  power, inverse = _powers(1 << max(int(len(codes)).bit_length(), 12))
  prefix = np.zeros(len(codes) + 1, np.uint64)
  terms = codes.astype(np.uint64)
  terms *= power[: len(codes)]
  np.cumsum(terms, out=prefix[1:])
  return mix((prefix[ends] - prefix[starts]) * inverse[starts])


def sums(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
  """uint64[len(counts)]: the sum (mod 2^64) of each run of `counts` values; 0 for an empty run."""
  out = np.zeros(len(counts), np.uint64)
  some = counts > 0
  starts = (np.cumsum(counts) - counts)[some]
  if len(starts):
    out[some] = np.add.reduceat(values, starts)
  return out


def positions(counts: np.ndarray) -> np.ndarray:
  """0, 1, ... within each run: int64[sum(counts)]."""
  return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def sequences(words: np.ndarray, counts: np.ndarray) -> np.ndarray:
  """uint64[len(counts), 2]: a 128-bit hash of each run of words, in which their order matters;
  zeros for an empty run."""
  terms = mix(words + positions(counts).astype(np.uint64) * _U(_ODD))
  return np.stack([sums(terms, counts), sums(mix(terms), counts)], axis=1)


def windows(words: np.ndarray, counts: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
  """(uint32 hashes of all runs of `size` successive words, their number in each row). A row that is
  shorter has one window, the whole of it; an empty row has none."""
  number = np.where(counts >= size, counts - size + 1, np.minimum(counts, 1))
  padded = np.concatenate([words, np.zeros(size - 1, np.uint64)])
  hashed = words.copy()
  for j in range(1, size):
    hashed *= _U(_ODD)
    hashed += padded[j : j + len(words)]
  starts = np.cumsum(counts) - counts
  short = np.flatnonzero((counts > 0) & (counts < size))
  if len(short):  # Their windows reached into the next row: hash them again, without it.
    at, whole = starts[short], words[starts[short]]
    for j in range(1, size):
      whole = whole * _U(_ODD) + np.where(j < counts[short], padded[at + j], _U(0))
    hashed[at] = whole
  kept = hashed[positions(counts) < np.repeat(number, counts)]
  return (mix(kept) >> _U(32)).astype(np.uint32), number
