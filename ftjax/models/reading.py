"""From a checkpoint's files to the parts of leaves that this process keeps, a piece at a time.

A line of the weight table ties the dims of both sides together by letters, so a part of a leaf is a
box in the space of letters. It is cut into pieces that are boxes over there as well (no letter in
the middle of a merged dim is cut) and small enough to stay in the processor's cache; each is read
and written to its place, turned and converted on the way. So nothing is held beside what is kept,
and only what is kept is read.
"""

import itertools
import math
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.formats.stored import DTYPES, Box, Stored
from ftjax.models.tensors import groups, places_of

PIECE = 1 << 20  # bytes of the file that are read at once
THREADS = min(8, os.cpu_count() or 1)
_LINE = 64  # bytes: what XLA's CPU wants arrays to start at, and a cache line

Letters = dict[str, tuple[int, int]]  # a box: (start, stop) of every letter


class _Target(NamedTuple):
  """A part of a leaf, and where it stands in one tensor of our layout."""

  box: Box
  array: np.ndarray


class _Piece(NamedTuple):
  stored: Stored
  letters: Letters
  targets: list[_Target]


def read_parts(
  weight: Weight,
  config: ModelConfig,
  stored: Mapping[str, Stored],
  boxes: set[Box],
  dtype,
  progress: Callable[[int], None] = lambda nbytes: None,
) -> dict[Box, np.ndarray]:
  """The parts of one leaf in these boxes, which do not overlap, in `dtype`, for XLA to take over.

  progress: told the bytes of each piece of the parts that is there. Raises InputError for a file
  that turns out to be cut.
  """
  parts = {box: _aligned([stop - start for start, stop in box], dtype) for box in boxes}
  layout = _Layout(weight, config)
  pieces = itertools.chain.from_iterable(
    _pieces(stored[name], index, parts, layout) for name, index in places_of(weight, config)
  )

  def run(piece: _Piece) -> None:
    box, tensor = layout.ours(piece, piece.stored.read(layout.box(piece.letters, layout.theirs)))
    for target in piece.targets:
      both = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(box, target.box, strict=True)]
      if all(a < b for a, b in both):
        target.array[_slices(both, target.box)] = tensor[_slices(both, box)]
    progress(tensor.size * np.dtype(dtype).itemsize)

  with ThreadPoolExecutor(THREADS) as pool:
    for _ in pool.map(run, pieces):
      pass
  return parts


def _pieces(stored: Stored, index, parts: dict[Box, np.ndarray], layout: "_Layout"):
  """What is to be read of one tensor."""
  targets = []
  for box, array in parts.items():
    stack, rest = box[: len(index)], box[len(index) :]
    if all(start <= i < stop for i, (start, stop) in zip(index, stack, strict=True)):
      at = tuple(i - start for i, (start, _) in zip(index, stack, strict=True))
      targets.append(_Target(rest, array[at]))
  boxes = [t.box for t in targets]
  hull = tuple(
    (min(a), max(b)) for a, b in (zip(*dim, strict=True) for dim in zip(*boxes, strict=True))
  )
  if boxes and size_of(hull) == sum(
    map(size_of, boxes)
  ):  # Together they are one box: read it at once.
    boxes = [hull]
  for box in boxes:
    for letters in layout.letters(box):
      for piece in layout.cut(letters, stored):
        yield _Piece(stored, piece, targets)


class _Layout:
  """The dims of one tensor on both sides, as letters."""

  def __init__(self, weight: Weight, config: ModelConfig):
    theirs, ours = weight.dims.split("->")
    self.theirs, self._ours = groups(theirs), groups(ours)
    self._sizes = config.sizes
    order = list(itertools.chain.from_iterable(self.theirs))
    self._order = [order.index(letter) for letter in itertools.chain.from_iterable(self._ours)]

  def letters(self, box: Box) -> Iterator[Letters]:
    """A box of ours as boxes of letters: one, unless it cuts a merged dim in its middle."""
    dims = [
      _spans(*ends, [self._sizes[x] for x in g]) for ends, g in zip(box, self._ours, strict=True)
    ]
    for spans in itertools.product(*dims):
      yield {
        x: ends
        for g, span in zip(self._ours, spans, strict=True)
        for x, ends in zip(g, span, strict=True)
      }

  def box(self, letters: Letters, groups_: list[list[str]]) -> Box | None:
    """Letters as a box of merged dims; None where that is not one box."""
    found = []
    for group in groups_:
      start = last = 0
      for x in group:
        start, last = (
          i * self._sizes[x] + j
          for i, j in zip((start, last), (letters[x][0], letters[x][1] - 1), strict=True)
        )
      if last + 1 - start != math.prod(b - a for a, b in (letters[x] for x in group)):
        return None
      found.append((start, last + 1))
    return tuple(found)

  def cut(self, letters: Letters, stored: Stored) -> Iterator[Letters]:
    """Pieces of at most PIECE bytes that are boxes on both sides, in the order of the file."""
    sizes = {x: b - a for x, (a, b) in letters.items()}
    order = [x for d in stored.order for x in self.theirs[d]]
    torn = [g for g in self.theirs + self._ours if self.box(letters, [g]) is None]
    total, room = math.prod(sizes.values()), PIECE // DTYPES[stored.dtype].itemsize
    if not torn and total <= room:
      yield letters
      return
    split = next(x for x in order if sizes[x] > 1 and (not torn or any(x in g for g in torn)))
    step = 1 if torn else max(1, room // (total // sizes[split]))
    start, stop = letters[split]
    for at in range(start, stop, step):
      yield from self.cut(letters | {split: (at, min(stop, at + step))}, stored)

  def ours(self, piece: _Piece, tensor: np.ndarray) -> tuple[Box, np.ndarray]:
    """(the box that a piece is in our layout, its numbers in that layout)."""
    sizes = [b - a for a, b in (piece.letters[x] for g in self.theirs for x in g)]
    box = self.box(piece.letters, self._ours)
    turned = tensor.reshape(sizes).transpose(self._order)
    if turned.strides[-1:] != (turned.itemsize,) and turned.ndim > 1:
      # Rows whose distance is a power of two fall into the same few lines of the cache, and a turned
      # copy goes down the rows: three times as slow as from rows that are a line apart.
      turned = _apart(tensor).reshape(sizes).transpose(self._order)
    return box, turned.reshape([b - a for a, b in box])


def _spans(start: int, stop: int, sizes: list[int]) -> Iterator[list[tuple[int, int]]]:
  """The boxes of a dim merged from `sizes` that together are start:stop of it."""
  inner = math.prod(sizes[1:])
  if start % inner == stop % inner == 0:
    yield [(start // inner, stop // inner), *((0, size) for size in sizes[1:])]
    return
  for i in range(start // inner, -(-stop // inner)):
    rest = max(0, start - i * inner), min(inner, stop - i * inner)
    for span in _spans(*rest, sizes[1:]):
      yield [(i, i + 1), *span]


def _slices(box, within: Box) -> tuple[slice, ...]:
  """A box as slices of the array that holds the box `within`."""
  return tuple(slice(a - o, b - o) for (a, b), (o, _) in zip(box, within, strict=True))


def box_of(index: tuple[slice, ...], shape: tuple[int, ...]) -> Box:
  """What jax's indices select: (start, stop) of every dim."""
  return tuple(s.indices(size)[:2] for s, size in zip(index, shape, strict=True))


def size_of(box: Box) -> int:
  """The items in a box."""
  return math.prod(b - a for a, b in box)


def _aligned(shape, dtype) -> np.ndarray:
  """An empty array at a multiple of 64 bytes, which XLA's CPU takes over as it is instead of
  copying it."""
  dtype = np.dtype(dtype)
  size = math.prod(shape) * dtype.itemsize
  memory = np.empty(size + _LINE, np.uint8)
  start = -memory.ctypes.data % _LINE
  return memory[start : start + size].view(dtype).reshape(shape)


def _apart(x: np.ndarray) -> np.ndarray:
  """A copy whose rows are a cache line apart."""
  rows = np.empty((len(x), x[0].size + _LINE // x.itemsize), x.dtype)[:, : x[0].size]
  rows[...] = x.reshape(rows.shape)
  return rows
