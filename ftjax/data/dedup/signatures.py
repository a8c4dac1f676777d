"""Sketches: what of a row is kept to find its duplicates.

Everything is worked out over a block of rows at once; a row's sketch depends on that row alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ftjax.data.dedup.hashing import mix, sequences, windows
from ftjax.data.dedup.settings import Settings
from ftjax.data.dedup.words import words
from ftjax.data.example import Example
from ftjax.storage import atomic_path

_TAG = np.uint32(0xA5F152E7)  # sets a prompt's shingles apart from the same words in a response
_SALT = np.uint64(0xC2B2AE3D27D4EB4F)
_BLOCK = 1 << 18  # characters of the rows that are sketched at once
_TILE = 1 << 19  # permuted shingles that are held at once: 2 MB


@dataclass(frozen=True)
class Sketch:
  """Of n rows. All arrays may be memory maps.

  exact: uint64[n, 2], a hash of the words of prompt and response; zeros where the response is blank.
  prompt: uint64[n], a hash of the prompt's words; 0 where there is none.
  bands: uint64[n, bands], band by band in memory; a pair with one key in common is a candidate.
  offsets, shingles: int64[2 n + 1], uint32: the response's shingles of row i are
  shingles[offsets[2 i] : offsets[2 i + 1]], its prompt's go from there to offsets[2 i + 2]; both
  sorted, without repeats.
  """

  exact: np.ndarray
  prompt: np.ndarray
  bands: np.ndarray
  offsets: np.ndarray
  shingles: np.ndarray

  def __len__(self) -> int:
    return len(self.prompt)

  def save(self, path: str | Path) -> None:
    """One file: the arrays as .npy, one after the other. It appears whole or not at all."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
      for f in fields(self):
        np.lib.format.write_array(file, getattr(self, f.name), version=(1, 0), allow_pickle=False)

  @classmethod
  def load(cls, path: str | Path) -> Sketch:
    """The arrays of a file, mapped: they are read where they are looked at."""
    arrays = []
    with open(path, "rb") as file:
      for _ in fields(cls):
        assert np.lib.format.read_magic(file) == (1, 0)
        shape, columns, dtype = np.lib.format.read_array_header_1_0(file)
        size = int(np.prod(shape))
        at, order = file.tell(), "F" if columns else "C"
        arrays.append(
          np.memmap(path, dtype, "r", at, shape, order) if size else np.zeros(shape, dtype)
        )
        file.seek(at + size * dtype.itemsize)
    return cls(*arrays)


def sketch(examples: Sequence[Example], settings: Any) -> Sketch:
  """The sketch of these rows, in their order. settings: `config.dedup` or a `Settings`.

  A response is what is trained on; of a preference pair, both answers. Shingles of prompt and
  response together make the MinHash signature: the similarity of their union is at least that of
  the less similar of the two, so no pair that passes verification is less likely a candidate.
  """
  s = Settings.of(settings)
  parts = [_sketch(texts, s) for texts in _blocks(examples)]
  if len(parts) == 1:
    return parts[0]
  parts = parts or [_sketch([], s)]
  ends = np.cumsum([0] + [len(p.shingles) for p in parts[:-1]])
  return Sketch(
    np.concatenate([p.exact for p in parts]),
    np.concatenate([p.prompt for p in parts]),
    np.concatenate([p.bands.T for p in parts], axis=1).T,
    np.concatenate([[0]] + [p.offsets[1:] + end for p, end in zip(parts, ends, strict=True)]),
    np.concatenate([p.shingles for p in parts]),
  )


def _blocks(examples: Sequence[Example]) -> Iterator[list[str]]:
  """Response and prompt of row after row, in lists of about _BLOCK characters."""
  texts: list[str] = []
  size = 0
  for example in examples:
    response = example.response
    if example.rejected:
      response = "\n\n".join([response, *(m["content"] for m in example.rejected)])
    prompt = example.prompt
    if size and size + len(response) + len(prompt) > _BLOCK:
      yield texts
      texts, size = [], 0
    texts += (response, prompt)
    size += len(response) + len(prompt)
  if texts:
    yield texts


def _sketch(texts: list[str], s: Settings) -> Sketch:
  hashes, counts = words(texts)
  whole = sequences(hashes, counts)
  response, prompt = whole[::2], whole[1::2]
  blank = counts[::2] == 0
  exact = mix(response) ^ mix(mix(prompt) + _SALT)
  exact[blank] = 0
  if not s.near:
    nothing = np.zeros(0, np.uint32)
    empty = np.zeros(len(texts) + 1, np.int64)
    return Sketch(exact, prompt[:, 0].copy(), np.zeros((len(blank), 0), np.uint64), empty, nothing)
  shingles, number = windows(hashes, counts, s.shingle)
  shingles, offsets = _sets(shingles, number)
  prompts = np.arange(len(texts)) % 2 == 1
  shingles[np.repeat(prompts, np.diff(offsets))] ^= _TAG
  return Sketch(exact, prompt[:, 0].copy(), bands(shingles, offsets, s), offsets, shingles)


def _sets(shingles: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Each text's shingles sorted and without repeats, and the offsets of the texts."""
  keys = np.repeat(np.arange(len(number), dtype=np.uint64) << np.uint64(32), number) | shingles
  keys.sort()
  if len(keys):
    keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
  sizes = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(number))
  return keys.astype(np.uint32), np.concatenate([[0], np.cumsum(sizes)])


@lru_cache(maxsize=4)
def _permutations(number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
  random = np.random.default_rng(seed)
  factors, terms = random.integers(0, 2**32, (2, number, 1), np.uint32)
  return factors | np.uint32(1), terms


def minhash(shingles: np.ndarray, offsets: np.ndarray, number: int, seed: int) -> np.ndarray:
  """uint32[number, n]: the smallest value of each set under `number` permutations of uint32
  (Broder 1997), a * x + b mod 2^32 with a odd; all ones for an empty set. Two sets have one
  smallest value with a probability of their Jaccard similarity."""
  out = np.full((number, len(offsets) - 1), 0xFFFFFFFF, np.uint32)
  factors, terms = _permutations(number, seed)
  rows = np.flatnonzero(np.diff(offsets))
  starts = offsets[:-1][rows]
  width = max(1, _TILE // number)
  tile = np.empty((number, width), np.uint32)
  for low in range(0, len(shingles), width):
    high = min(low + width, len(shingles))
    first = np.searchsorted(starts, low, "right") - 1
    last = np.searchsorted(starts, high)
    values = tile[:, : high - low]
    np.multiply(factors, shingles[low:high], out=values)
    values += terms
    least = np.minimum.reduceat(values, np.maximum(starts[first:last] - low, 0), axis=1)
    if rows[last - 1] - rows[first] == last - first - 1:
      at = out[:, rows[first] : rows[last - 1] + 1]  # A view: no empty set stands between.
      np.minimum(at, least, out=at)
    else:
      out[:, rows[first:last]] = np.minimum(out[:, rows[first:last]], least)
  return out


def bands(shingles: np.ndarray, offsets: np.ndarray, s: Settings) -> np.ndarray:
  """uint64[n, bands] of a sketch: the values of each band's permutations in one hash; 0 for a row
  with a blank response."""
  signatures = minhash(shingles, offsets[::2], s.bands * s.rows, s.seed)
  keys = np.zeros((s.bands, signatures.shape[1]), np.uint64)
  for j in range(s.rows):
    keys = mix(keys + signatures[j :: s.rows])
  keys[:, offsets[1::2] == offsets[:-1:2]] = 0
  return keys.T
