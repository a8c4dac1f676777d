"""Texts as sequences of word hashes, after a normalisation that only comparison uses.

A word is a run of letters, marks and digits (Unicode categories L, M, N) after NFKC and case
folding. Punctuation and spacing part words; apostrophes and invisible format characters are
dropped within them. Scripts that set no spaces between words count each character as a word. Texts
that differ in signs alone are equal, so "a + b" and "a - b" are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from ftjax.data.dedup.hashing import mix, segments

_BREAK, _END, _WORD, _ALONE, _IGNORED = range(5)  # what a character is
_BLOCK = 1 << 18  # characters that are worked on at once, so that arrays stay in the cache
_APOSTROPHES = "'\u2019\u02bc\uff07"
# Blocks whose characters are words of their own: Thai and Lao, Tibetan, Myanmar, Khmer, kana and
# bopomofo, Han with its extensions.
_UNSPACED = [
  (0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x3007),
  (0x3040, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
  (0xF900, 0xFAFF), (0x1B000, 0x1B16F), (0x20000, 0x3FFFF),
]  # fmt: skip


def words(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
  """(uint64 hashes of all words, one text after the other; int64[len(texts)] words in each).

  A text without any letter or digit, but not blank, has its other signs for words: "?!" is not
  ":-)". A blank text has none.
  """
  counts = np.zeros(len(texts), np.int64)
  hashes = [np.zeros(0, np.uint64)]
  for pieces, owners in _blocks(texts):
    found, number = _words(pieces)
    hashes.append(found)
    np.add.at(counts, owners, number)
  flat = np.concatenate(hashes)
  bare = [i for i in np.flatnonzero(counts == 0).tolist() if texts[i] and not texts[i].isspace()]
  if bare:
    signs = ["".join(texts[i].split()) for i in bare]
    number = np.array([len(s) for s in signs])
    at = np.cumsum(counts)[bare]
    flat = np.insert(flat, np.repeat(at, number), mix(_points("".join(signs)).astype(np.uint64)))
    counts[bare] = number
  return flat, counts


def fold(text: str) -> str:
  """Text for comparison: NFKC, and case folded; ASCII is left as it is, as its table folds it."""
  if text.isascii():
    return text
  return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _blocks(texts: Sequence[str]) -> Iterator[tuple[list[str], list[int]]]:
  """Folded texts in blocks of about _BLOCK characters, with the index of each. A long text comes
  in pieces that are cut where it alone says, so that no result depends on its neighbours."""
  pieces: list[str] = []
  owners: list[int] = []
  size = 0
  for i, text in enumerate(texts):
    if not text:
      continue
    for piece in _cut(fold(text)):
      if size and size + len(piece) > _BLOCK:
        yield pieces, owners
        pieces, owners, size = [], [], 0
      pieces.append(piece)
      owners.append(i)
      size += len(piece)
  if pieces:
    yield pieces, owners


def _cut(text: str) -> Iterator[str]:
  at = 0
  while len(text) - at > _BLOCK:
    end = text.rfind(" ", at + _BLOCK // 2, at + _BLOCK)
    end = at + _BLOCK if end < 0 else end
    yield text[at:end]
    at = end
  yield text[at:] if at else text


def _words(pieces: list[str]) -> tuple[np.ndarray, np.ndarray]:
  """Word hashes of folded pieces, and the number in each."""
  joined = "\0".join(["", *pieces, ""])
  codes, alone = _ascii(joined) if joined.isascii() else _unicode(joined)
  borders = np.flatnonzero(codes == _END)
  if len(borders) != len(pieces) + 1:  # A text holds a NUL of its own.
    return _words([p.replace("\0", " ") for p in pieces])
  inside = codes > _END
  if alone is None:
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    starts, ends = edges[::2], edges[1::2]
  else:
    cut = np.ones(len(codes) + 1, bool)  # whether there is a border before each character
    cut[1:-1] = (inside[1:] != inside[:-1]) | alone[1:] | alone[:-1]
    starts = np.flatnonzero(inside & cut[:-1])
    ends = np.flatnonzero(inside & cut[1:]) + 1
  return segments(codes, starts, ends), np.diff(np.searchsorted(starts, borders))


def _ascii(joined: str) -> tuple[np.ndarray, None]:
  return np.frombuffer(joined.encode("ascii").translate(_ascii_table(), b"'"), np.uint8), None


def _unicode(joined: str) -> tuple[np.ndarray, np.ndarray | None]:
  """Per character: _BREAK, _END, or its code point; and which are words alone, if any is."""
  points = _points(joined)
  kinds = _kinds(points.max() > 0xFFFF)[points]
  if (kinds == _IGNORED).any():
    points, kinds = points[kinds != _IGNORED], kinds[kinds != _IGNORED]
  alone = kinds == _ALONE
  lower = _lower()[np.minimum(points, 127)]
  points = np.where(points < 128, lower, points)
  return np.where(kinds >= _WORD, points, kinds), alone if alone.any() else None


def _points(text: str) -> np.ndarray:
  return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _kind(point: int) -> int:
  if point == 0:
    return _END
  char = chr(point)
  category = unicodedata.category(char)
  if char in _APOSTROPHES or category == "Cf":
    return _IGNORED
  if category[0] not in "LMN":
    return _BREAK
  return _WORD


@lru_cache(maxsize=2)
def _kinds(all_planes: bool) -> np.ndarray:
  """uint8 per code point. The table of all planes is made only where a text goes beyond the
  first."""
  size = 0x40000 if all_planes else 0x10000
  table = np.fromiter(map(_kind, range(size)), np.uint8, size)
  for low, high in _UNSPACED:
    block = table[low : high + 1]
    block[block == _WORD] = _ALONE
  return np.concatenate([table, np.zeros(0x110000 - size, np.uint8)]) if all_planes else table


@lru_cache(maxsize=1)
def _lower() -> np.ndarray:
  return np.array([ord(chr(i).lower()) for i in range(128)], np.uint32)


@lru_cache(maxsize=1)
def _ascii_table() -> bytes:
  kinds = map(_kind, range(128))
  low = [ord(chr(i).lower()) if k == _WORD else k for i, k in enumerate(kinds)]
  return bytes(k if k != _IGNORED else _BREAK for k in low).ljust(256, b"\0")
