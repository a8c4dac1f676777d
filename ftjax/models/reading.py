"""From a checkpoint's files to the parts of leaves that this process keeps, a piece at a time.

A line of the weight table ties the dims of both sides together by letters, so a part of a leaf is a
box of letters. It is cut into pieces that are boxes over there as well and small enough for the
processor's cache; each is read and written to its place, turned and converted on the way. So
nothing is held beside what is kept, and only what is kept is read.
"""

import functools
import itertools
import math
import mmap
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.formats.stored import READABLE, Box, Stored
from ftjax.models.tensors import ALL, dims_of, places_of, sizes_of

PIECE = 4 << 20  # bytes of the file that are read at once
THREADS = min(8, os.cpu_count() or 1)
_LINE = 64  # bytes of a cache line

Letters = dict[str, tuple[int, int]]  # a box: (start, stop) of every letter


class _Target(NamedTuple):
  """A part of a leaf, and where it stands in one tensor of our layout."""

  box: Box
  array: np.ndarray


class _Piece(NamedTuple):
  stored: Stored
  letters: Letters
  targets: list[_Target]


class Reader:
  """Reads parts of leaves with some threads, each of which uses the same memory for all its
  pieces. To be used in a `with`.

  progress: told the bytes of each piece of the parts that is there, by any thread.
  """

  def __init__(self, progress: Callable[[int], None] = lambda nbytes: None):
    self._progress, self._scratch = progress, _Scratch()

  def __enter__(self) -> "Reader":
    self._pool = ThreadPoolExecutor(THREADS)
    return self

  def __exit__(self, *_) -> None:
    self._pool.shutdown()

  def parts(
    self,
    weight: Weight,
    config: ModelConfig,
    stored: Mapping[str, Stored],
    boxes: set[Box],
    dtype,
    places: Mapping[str, tuple[int | slice, ...]] | None = None,
  ) -> dict[Box, np.ndarray]:
    """The parts of one leaf in these boxes, which do not overlap, in `dtype`, for XLA to take over.

    places: the tensors that they are read from, where these are not all of the leaf's. Raises
    InputError for a file that turns out to be cut.
    """
    shapes = {box: [stop - start for start, stop in box] for box in boxes}
    parts = {box: memory(math.prod(s), dtype).reshape(s) for box, s in shapes.items()}
    layout = _Layout(weight, config)
    pieces = itertools.chain.from_iterable(
      _pieces(stored[name], place, parts, layout)
      for name, place in (places or places_of(weight, config)).items()
    )
    for nbytes in self._pool.map(functools.partial(self._run, layout), pieces):
      self._progress(nbytes)
    return parts

  def _run(self, layout: "_Layout", piece: "_Piece") -> int:
    """Reads a piece to where it belongs; returns the bytes it has there."""
    tensor = piece.stored.read(layout.theirs(piece.letters), self._scratch.empty)
    tensor = layout.turned(piece.letters, tensor, self._scratch)
    box = layout.ours(piece.letters)
    for target in piece.targets:
      both = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(box, target.box, strict=True)]
      if all(a < b for a, b in both):
        target.array[_slices(both, target.box)] = tensor[_slices(both, box)]
    return tensor.size * piece.targets[0].array.itemsize


class _Scratch(threading.local):
  """Memory of a thread's own."""

  def __init__(self):
    self._memory: dict[str, np.ndarray] = {}

  def empty(self, shape: Sequence[int], dtype, use: str = "file") -> np.ndarray:
    """An array whose numbers stay until the next one for the same use."""
    size = math.prod(shape) * dtype.itemsize
    if use not in self._memory or self._memory[use].size < size:
      self._memory[use] = memory(size, np.uint8)
    return self._memory[use][:size].view(dtype).reshape(shape)


def _pieces(
  stored: Stored, place: tuple[int | slice, ...], parts: dict[Box, np.ndarray], layout: "_Layout"
) -> Iterator[_Piece]:
  """What is to be read of one tensor, which stands at `place` in the leaf."""
  targets = []
  for box, array in parts.items():
    dims = list(zip(place, box, strict=True))
    if all(i == ALL or start <= i < stop for i, (start, stop) in dims):
      at = tuple(i if i == ALL else i - start for i, (start, _) in dims)
      targets.append(_Target(tuple(ends for i, ends in dims if i == ALL), array[at]))
  if not targets:
    return
  boxes = [target.box for target in targets]
  hull = tuple((min(starts), max(stops)) for starts, stops in map(_ends, zip(*boxes, strict=True)))
  if size_of(hull) == sum(map(size_of, boxes)):
    boxes = [hull]  # Together they are one box: read it at once.
  for box in boxes:
    for letters in layout.cut(layout.letters(box), stored):
      yield _Piece(stored, letters, targets)


def _ends(dim: tuple[tuple[int, int], ...]) -> tuple[list[int], list[int]]:
  return [start for start, _ in dim], [stop for _, stop in dim]


class _Layout:
  """The dims of one tensor on both sides, as letters."""

  def __init__(self, weight: Weight, config: ModelConfig):
    self._theirs, self._ours = dims_of(weight)
    self._sizes = sizes_of(weight, config)

  def letters(self, box: Box) -> Letters:
    """A box of ours."""
    return dict(zip(self._ours, box, strict=True))

  def ours(self, letters: Letters) -> Box:
    """The same the other way."""
    return tuple(letters[x] for x in self._ours)

  def theirs(self, letters: Letters) -> Box:
    """Letters as a box over there; there must be one."""
    return tuple(self._merged(group, letters) for group in self._theirs)

  def _merged(self, group: list[str], letters: Letters) -> tuple[int, int] | None:
    """Letters of a merged dim as one part of it; None where they are not one."""
    start = last = 0
    for x in group:
      first, stop = letters[x]
      start, last = start * self._sizes[x] + first, last * self._sizes[x] + stop - 1
    whole = last + 1 - start == math.prod(stop - first for first, stop in map(letters.get, group))
    return (start, last + 1) if whole else None

  def cut(self, letters: Letters, stored: Stored) -> Iterator[Letters]:
    """Pieces of at most PIECE bytes that are boxes over there, in the order of the file."""
    sizes = {x: stop - start for x, (start, stop) in letters.items()}
    torn = {x for group in self._theirs if not self._merged(group, letters) for x in group}
    total, room = math.prod(sizes.values()), PIECE // READABLE[stored.dtype].itemsize
    if not torn and total <= room:
      yield letters
      return
    order = [x for d in stored.order for x in self._theirs[d]]
    split = next(x for x in order if sizes[x] > 1 and (not torn or x in torn))
    step = 1 if torn else max(1, room // (total // sizes[split]))
    start, stop = letters[split]
    for at in range(start, stop, step):
      yield from self.cut(letters | {split: (at, min(stop, at + step))}, stored)

  def turned(self, letters: Letters, tensor: np.ndarray, scratch: _Scratch) -> np.ndarray:
    """A piece from the file in our layout."""
    order = list(itertools.chain.from_iterable(self._theirs))
    sizes = [stop - start for start, stop in map(letters.get, order)]
    turn = lambda x: x.reshape(sizes).transpose([order.index(letter) for letter in self._ours])
    found = turn(tensor)
    if found.ndim > 1 and found.strides[-1] != found.itemsize:
      # Rows whose distance is a power of two fall into the same few lines of the cache, and a turned
      # copy goes down the rows: three times as slow as from rows that are a line apart.
      found = turn(_apart(tensor, scratch))
    return found


def _slices(box, within: Box) -> tuple[slice, ...]:
  """A box as slices of the array that holds the box `within`."""
  return tuple(slice(a - o, b - o) for (a, b), (o, _) in zip(box, within, strict=True))


def box_of(index: tuple[slice, ...], shape: tuple[int, ...]) -> Box:
  """What jax's indices select: (start, stop) of every dim."""
  return tuple(s.indices(size)[:2] for s, size in zip(index, shape, strict=True))


def size_of(box: Box) -> int:
  """The items in a box."""
  return math.prod(b - a for a, b in box)


def memory(size: int, dtype) -> np.ndarray:
  """An empty array of `size` items at the start of a page, so that XLA's CPU takes it over as it is
  instead of copying it.

  Straight from the system: numpy would ask for huge pages, which virtual machines that give memory
  back to their host take several times as long to get for the first time.
  """
  dtype = np.dtype(dtype)
  flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
  pages = mmap.mmap(-1, max(1, size * dtype.itemsize), flags=flags)
  return np.frombuffer(pages, np.uint8)[: size * dtype.itemsize].view(dtype)


def _apart(x: np.ndarray, scratch: _Scratch) -> np.ndarray:
  """A copy whose rows are a cache line apart."""
  gap = _LINE // x.itemsize
  rows = scratch.empty((len(x), x[0].size + gap), x.dtype, "apart")[:, :-gap]
  rows[...] = x.reshape(rows.shape)
  return rows
