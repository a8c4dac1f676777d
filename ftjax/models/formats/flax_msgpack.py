"""The flax_model.msgpack of transformers 4, in one file or shards.

It is msgpack (https://github.com/msgpack/msgpack/blob/master/spec.md) of nested maps, whose leaves
are extension type 1: msgpack again, of [shape, dtype's name, bytes] (flax/serialization.py). Such a
file can say nothing but data. It is walked here without reading the arrays, so that a checkpoint of
any size opens at once and its tensors are read by the part.

Names become those of PyTorch as transformers 4 translated them
(modeling_flax_pytorch_utils.py): a kernel is a weight transposed; a scale or an embedding is a
weight.
"""

import itertools
import math
import struct
from pathlib import Path
from typing import IO, Any, NamedTuple

from ftjax.config import InputError
from ftjax.models.formats import shards
from ftjax.models.formats.stored import DTYPES, Extent, Raw, Stored, c_strides

NAME = "Flax msgpack"
SINGLE = "flax_model.msgpack"
INDEX = "flax_model.msgpack.index.json"
FILES = SINGLE
_NDARRAY = 1  # flax's extension type
_CHUNKED = "__msgpack_chunked_array__"  # flax cuts arrays above a gigabyte into flat pieces
_DTYPES = {str(dtype): name for name, dtype in DTYPES.items()}
_DEPTH = 32
_TEXT = 1 << 16


class _Array(NamedTuple):
  shape: tuple[int, ...]
  dtype: str
  extents: tuple[Extent, ...]


def find(folder: Path) -> list[Path]:
  """The files that hold the weights; none where the folder has no such weights."""
  return shards.find(folder, SINGLE, INDEX)


def headers(paths: list[Path]) -> dict[str, Stored]:
  """Every tensor, by PyTorch's names."""
  return shards.merge((path, _tensors(path)) for path in paths)


def _tensors(path: Path) -> dict[str, Stored]:
  with open(path, "rb") as file:
    walker = _Walker(file, path)
    tree = walker.value()
    if not isinstance(tree, dict) or file.tell() != walker.size:
      raise walker.broken("it is not one map")
  if tree.keys() == {"params"}:
    tree = tree["params"]
  found = {}
  for names, leaf in _leaves(tree, path):
    *parents, last = names
    array = _whole(leaf, path) if isinstance(leaf, dict) else leaf
    if not isinstance(array, _Array):
      raise InputError(f"{path} has no array at {'/'.join(names)}.")
    strides, shape = c_strides(array.shape), array.shape
    if last == "kernel" and len(shape) == 2:
      strides, shape = strides[::-1], shape[::-1]
    last = {"kernel": "weight", "scale": "weight", "embedding": "weight"}.get(last, last)
    name = ".".join([*parents, last])
    found[name] = Raw(name, shape, array.dtype, array.extents, strides)
  return found


def _leaves(tree: dict, path: Path, names: tuple[str, ...] = ()):
  for name, x in tree.items():
    if isinstance(x, dict) and _CHUNKED not in x:
      yield from _leaves(x, path, (*names, name))
    else:
      yield (*names, name), x


def _whole(chunked: dict, path: Path) -> _Array:
  """An array that was cut: {"shape": {"0": ...}, "chunks": {"0": flat array, ...}}."""
  try:
    shape = tuple(chunked["shape"][str(i)] for i in range(len(chunked["shape"])))
    chunks = [chunked["chunks"][str(i)] for i in range(len(chunked["chunks"]))]
    extents = tuple(itertools.chain.from_iterable(c.extents for c in chunks))
    (dtype,) = {c.dtype for c in chunks}
    fits = math.prod(shape) == sum(math.prod(c.shape) for c in chunks)
  except (KeyError, TypeError, ValueError, AttributeError) as e:
    raise InputError(f"{path} is broken: it has a cut array that is not whole ({e}).") from e
  if not fits:
    raise InputError(f"{path} is broken: it has a cut array whose pieces are not its shape.")
  return _Array(shape, dtype, extents)


class _Walker:
  """Reads msgpack from a file. No length is believed that goes beyond the file's end, and only
  names are read, never arrays."""

  def __init__(self, file: IO[bytes], path: Path):
    self._file, self._path, self.size = file, path, path.stat().st_size

  def broken(self, what: str) -> InputError:
    return InputError(f"{self._path} is not a whole msgpack of Flax: {what}. Copy it again.")

  def value(self, depth: int = 0) -> Any:
    """A map, list, text, number, None or _Array, from the file's position on."""
    if depth > _DEPTH:
      raise self.broken(f"it is nested more than {_DEPTH} deep")
    code = self._read(1)[0]
    if code < 0x80:
      return code
    if code >= 0xE0:
      return code - 0x100
    if code < 0x90:
      return self._map(code & 0x0F, depth)
    if code < 0xA0:
      return self._list(code & 0x0F, depth)
    if code < 0xC0:
      return self._text(code & 0x1F)
    match code:
      case 0xC0 | 0xC2 | 0xC3:
        return {0xC0: None, 0xC2: False, 0xC3: True}[code]
      case 0xC4 | 0xC5 | 0xC6:  # bin
        return self._bytes(self._uint(1 << code - 0xC4))
      case 0xC7 | 0xC8 | 0xC9:  # ext
        return self._extension(self._uint(1 << code - 0xC7), depth)
      case 0xCA | 0xCB:
        return struct.unpack(">f" if code == 0xCA else ">d", self._read(4 << code - 0xCA))[0]
      case 0xCC | 0xCD | 0xCE | 0xCF:
        return self._uint(1 << code - 0xCC)
      case 0xD0 | 0xD1 | 0xD2 | 0xD3:
        return int.from_bytes(self._read(1 << code - 0xD0), "big", signed=True)
      case 0xD4 | 0xD5 | 0xD6 | 0xD7 | 0xD8:  # fixext
        return self._extension(1 << code - 0xD4, depth)
      case 0xD9 | 0xDA | 0xDB:
        return self._text(self._uint(1 << code - 0xD9))
      case 0xDC | 0xDD:
        return self._list(self._uint(2 << code - 0xDC), depth)
      case 0xDE | 0xDF:
        return self._map(self._uint(2 << code - 0xDE), depth)
    raise self.broken(f"no value begins with {code:#x}")

  def _read(self, n: int) -> bytes:
    found = self._file.read(n) if n <= self.size - self._file.tell() else b""
    if len(found) != n:
      raise self.broken(f"it ends {n} bytes too early")
    return found

  def _uint(self, n: int) -> int:
    return int.from_bytes(self._read(n), "big")

  def _text(self, n: int) -> str:
    if n > _TEXT:
      raise self.broken(f"it has a name of {n} bytes")
    try:
      return self._read(n).decode()
    except UnicodeDecodeError as e:
      raise self.broken(str(e)) from e

  def _bytes(self, n: int) -> Extent:
    """Skipped: where they are."""
    start = self._file.tell()
    if n > self.size - start:
      raise self.broken(f"it claims {n} bytes where {self.size - start} are left")
    self._file.seek(n, 1)
    return Extent(self._path, start, n)

  def _list(self, n: int, depth: int) -> list:
    if n > self.size - self._file.tell():  # Each takes a byte or more.
      raise self.broken(f"it claims a list of {n}")
    return [self.value(depth + 1) for _ in range(n)]

  def _map(self, n: int, depth: int) -> dict:
    if n > (self.size - self._file.tell()) // 2:
      raise self.broken(f"it claims a map of {n}")
    found = {}
    for _ in range(n):
      key = self.value(depth + 1)
      if not isinstance(key, str) or key in found:
        raise self.broken("it has a map whose keys are not names of their own")
      found[key] = self.value(depth + 1)
    return found

  def _extension(self, n: int, depth: int) -> _Array:
    kind, end = self._read(1)[0], self._file.tell() + n
    if kind != _NDARRAY or end > self.size:
      raise self.broken(f"it has an extension of type {kind} and {n} bytes")
    match self.value(depth + 1):
      case [[*shape], str(dtype), Extent(size=size) as data] if self._file.tell() == end:
        pass
      case _:
        raise self.broken("it has an array that is not [shape, dtype, bytes]")
    known = _DTYPES.get(dtype, dtype)
    itemsize = DTYPES[known].itemsize if known in DTYPES else None
    if not all(type(s) is int and s >= 0 for s in shape):
      raise self.broken("it has an array whose shape is not sizes")
    if itemsize and math.prod(shape) * itemsize != size:
      raise self.broken(f"it has an array of shape {tuple(shape)} and {dtype} in {size} bytes")
    return _Array(tuple(shape), known, (data,))
