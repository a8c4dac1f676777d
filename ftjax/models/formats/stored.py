"""Tensors where they lie in a checkpoint's files: their form is known, their numbers are read a box
at a time.

All formats end here: a header says where a tensor's bytes are, and reading them is the same for
all. Files are read with pread into memory of our own. A memory map would do as well, but its pages
count as this process's memory, and a file that becomes shorter kills the process.
"""

import contextlib
import itertools
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, Protocol

import ml_dtypes
import numpy as np

from ftjax.config import InputError

# What weights may be, by the names that safetensors has for dtypes.
DTYPES = {
  "F64": np.dtype(np.float64), "F32": np.dtype(np.float32), "F16": np.dtype(np.float16),
  "BF16": np.dtype(ml_dtypes.bfloat16),
}  # fmt: skip

READABLE = DTYPES | {  # and what packed weights are made of
  "U8": np.dtype(np.uint8), "I8": np.dtype(np.int8)
}  # fmt: skip

Box = tuple[tuple[int, int], ...]  # (start, stop) of every dim
Empty = Callable[[Sequence[int], np.dtype], np.ndarray]  # np.empty and the like


class Stored(Protocol):
  """A tensor of a checkpoint.

  dtype: as safetensors calls it, any that a file may have; only those in READABLE can be read. order:
  its dims from the one with the longest strides in the file to the one with the shortest, which is
  the order to read in.
  """

  name: str
  shape: tuple[int, ...]
  dtype: str
  file: Path

  @property
  def order(self) -> tuple[int, ...]: ...

  def read(self, box: Box, empty: Empty = np.empty) -> np.ndarray:
    """That part of the tensor, in the file's dtype, in memory that `empty` gives (which may be used
    again for the next one). Raises InputError where the file is cut."""
    ...


class Extent(NamedTuple):
  """Some bytes of a file."""

  file: Path
  start: int
  size: int


@dataclass(frozen=True)
class Raw:
  """A tensor whose items stand in one or more extents (one after the other) with given strides."""

  name: str
  shape: tuple[int, ...]
  dtype: str
  extents: tuple[Extent, ...]
  strides: tuple[int, ...]  # in items
  offset: int = 0  # items before the first one

  @property
  def file(self) -> Path:
    return self.extents[0].file

  @property
  def order(self) -> tuple[int, ...]:
    return tuple(sorted(range(len(self.shape)), key=lambda d: -self.strides[d]))

  def read(self, box: Box, empty: Empty = np.empty) -> np.ndarray:
    dtype, order = READABLE[self.dtype], self.order
    sizes = [stop - start for start, stop in box]
    out = empty([sizes[d] for d in order], dtype)  # as in the file
    outer, run = len(order), 1  # the dims to loop over, and how many items then stand together
    for d in reversed(order):
      if self.shape[d] != 1 and self.strides[d] != run:
        break
      outer, run = outer - 1, run * sizes[d]  # A part of a dim ends it: no stride is that long.
    first = self.offset + sum(start * s for (start, _), s in zip(box, self.strides, strict=True))
    steps = (
      [[i * self.strides[d] for i in range(sizes[d])] for d in order[:outer]] if out.size else [[]]
    )
    rows = out.reshape(-1).view(np.uint8).reshape(-1, run * dtype.itemsize) if out.size else []
    with contextlib.ExitStack() as opened:
      files = {e.file: opened.enter_context(open(e.file, "rb", buffering=0)) for e in self.extents}
      for row, at in zip(rows, itertools.product(*steps), strict=True):
        self._fill(files, memoryview(row), (first + sum(at)) * dtype.itemsize)
    return out.transpose(np.argsort(order)) if order else out

  def _fill(self, files: dict[Path, IO], row: memoryview, at: int) -> None:
    """Fills `row` with the bytes from `at` on, counted over all extents."""
    for extent in self.extents:
      while row and at < extent.size:
        got = os.preadv(files[extent.file].fileno(), [row[: extent.size - at]], extent.start + at)
        if not got:
          raise InputError(f"{extent.file} ends within the tensor {self.name}. Copy it again.")
        row, at = row[got:], at + got
      at -= extent.size
    if row:
      raise InputError(f"{self.file} has too few bytes for the tensor {self.name}.")


@dataclass(frozen=True)
class Joined:
  """A tensor whose parts stand in several files, one after the other along `axis`."""

  name: str
  parts: tuple[Raw, ...]
  axis: int

  @property
  def shape(self) -> tuple[int, ...]:
    sizes = list(self.parts[0].shape)
    sizes[self.axis] = sum(p.shape[self.axis] for p in self.parts)
    return tuple(sizes)

  @property
  def dtype(self) -> str:
    return self.parts[0].dtype

  @property
  def file(self) -> Path:
    return self.parts[0].file

  @property
  def order(self) -> tuple[int, ...]:
    return self.parts[0].order

  def read(self, box: Box, empty: Empty = np.empty) -> np.ndarray:
    found, start = [], 0  # The parts need memory of their own until they are joined.
    for part in self.parts:
      size = part.shape[self.axis]
      a, b = (min(max(x - start, 0), size) for x in box[self.axis])
      if a < b:
        found.append(part.read((*box[: self.axis], (a, b), *box[self.axis + 1 :])))
      start += size
    return found[0] if len(found) == 1 else np.concatenate(found, self.axis)


@dataclass(frozen=True)
class Interleaved:
  """Rows in heads of `width` whose rotary pairs stand side by side, seen as the halves of a head:
  row 2i + j of a head there is row j * width / 2 + i here, as transformers wants them."""

  inner: Raw | Joined
  width: int
  name: str

  @property
  def shape(self) -> tuple[int, ...]:
    return self.inner.shape

  @property
  def dtype(self) -> str:
    return self.inner.dtype

  @property
  def file(self) -> Path:
    return self.inner.file

  @property
  def order(self) -> tuple[int, ...]:
    return self.inner.order

  def read(self, box: Box, empty: Empty = np.empty) -> np.ndarray:
    (start, stop), *rest = box
    whole = start - start % self.width, stop + -stop % self.width  # heads
    rows = self.inner.read((whole, *rest), empty)
    halves = rows.reshape(-1, self.width // 2, 2, *rows.shape[1:]).swapaxes(1, 2)
    return halves.reshape(rows.shape)[start - whole[0] : stop - whole[0]]


def raw(
  name: str, shape: tuple[int, ...], dtype: str, file: Path, start: int, itemsize: int
) -> Raw:
  """A tensor in C order from byte `start` of a file on."""
  return Raw(
    name, shape, dtype, (Extent(file, start, math.prod(shape) * itemsize),), c_strides(shape)
  )


def c_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
  """Of an array in C order, in items."""
  return tuple(math.prod(shape[d + 1 :]) for d in range(len(shape)))
