"""safetensors (https://github.com/huggingface/safetensors, "Format"): eight bytes with the length
of a JSON header, the header, the tensors."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from ftjax.config import InputError
from ftjax.models.formats import shards
from ftjax.models.formats.stored import READABLE, Extent, Raw, Stored, c_strides
from ftjax.models.tensors import INDEX, SINGLE

NAME = "safetensors"
FILES = f"{SINGLE} or {INDEX}"
STEM = "model"  # which these names begin with


def find(folder: Path, stem: str = STEM) -> list[Path]:
  """The files that hold the weights; none where the folder has no such weights."""
  return shards.find(folder, f"{stem}.safetensors", f"{stem}.safetensors.index.json")


def headers(paths: list[Path]) -> dict[str, Stored]:
  """Every tensor. The library checks that the header fits the file: sizes, overlaps, gaps."""
  return shards.merge((path, _header(path)) for path in paths)


def _header(path: Path) -> dict[str, Stored]:
  try:
    with safe_open(path, framework="numpy"):
      pass
    with open(path, "rb") as file:
      size = int.from_bytes(file.read(8), "little")
      found = json.loads(file.read(size))
  except (SafetensorError, OSError, ValueError) as e:
    raise InputError(
      f"{path} is not a whole safetensors file: {e}. Download or copy it again."
    ) from e
  tensors = {}
  for name, x in found.items():
    if name != "__metadata__":
      start, stop = x["data_offsets"]
      shape = tuple(x["shape"])
      extent = Extent(path, 8 + size + start, stop - start)
      tensors[name] = Raw(name, shape, x["dtype"], (extent,), c_strides(shape))
  return tensors


def write(path: Path, tensors: Sequence, contents: Iterable[np.ndarray]) -> None:
  """Writes a file as transformers marks it, one tensor at a time.

  tensors: have name, shape, dtype and nbytes. contents: their arrays, in the same order. In the file
  wide dtypes come first, as the library sorts: so every tensor starts at a multiple of its item.
  """
  names = {dtype: name for name, dtype in READABLE.items()}
  header, at = {"__metadata__": {"format": "pt"}}, 0
  for t in sorted(tensors, key=lambda t: -t.dtype.itemsize):
    header[t.name] = {
      "dtype": names[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + t.nbytes]
    }  # fmt: skip
    at += t.nbytes
  text = json.dumps(header, separators=(",", ":")).encode()
  text += b" " * (-len(text) % 8)
  with open(path, "wb") as file:
    file.write(len(text).to_bytes(8, "little") + text)
    first, arrays = file.tell(), iter(contents)
    for t in tensors:  # No name and no zip holds an array when the next one is made.
      file.seek(first + header[t.name]["data_offsets"][0])
      file.write(np.ascontiguousarray(next(arrays)).reshape(-1).view(np.uint8).data)
