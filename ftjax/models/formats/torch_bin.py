"""PyTorch's pytorch_model.bin, in one file or shards, without PyTorch and without running what it
says.

Since PyTorch 1.6 torch.save writes a zip archive of uncompressed entries: data.pkl, which describes
the tensors, and data/KEY for the numbers of each storage. Before, it wrote pickles one after the
other, and then the storages. Source: torch/serialization.py (_save, _legacy_save).
"""

import io
import zipfile
from pathlib import Path

from ftjax.config import InputError
from ftjax.models.formats import pickled, shards
from ftjax.models.formats.pickled import ITEMSIZE, LIMIT, View
from ftjax.models.formats.stored import Extent, Raw, Stored

NAME = "PyTorch .bin"
SINGLE = "pytorch_model.bin"
INDEX = "pytorch_model.bin.index.json"
FILES = SINGLE
_MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of the old format


def find(folder: Path) -> list[Path]:
  """The files that hold the weights; none where the folder has no such weights."""
  return shards.find(folder, SINGLE, INDEX)


def headers(paths: list[Path]) -> dict[str, Stored]:
  """Every tensor."""
  return shards.merge((path, tensors(path)) for path in paths)


def tensors(path: Path) -> dict[str, Raw]:
  """{name: tensor} of a file that torch.save wrote from a dict of tensors."""
  try:
    state, extents = _zip(path) if zipfile.is_zipfile(path) else _legacy(path)
  except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as e:
    raise InputError(
      f"{path} is not a whole file of torch.save: {e}. Download or copy it again."
    ) from e
  if not isinstance(state, dict) or not all(isinstance(x, View) for x in state.values()):
    raise InputError(f"{path} holds something else than a dict of tensors by name.")
  return {name: _raw(name, view, extents, path) for name, view in state.items()}


def _raw(name: str, view: View, extents: dict[str, Extent], path: Path) -> Raw:
  extent, storage = extents.get(view.storage.key), view.storage
  wrong = lambda what: InputError(f"{path} is broken: {what}.")
  if extent is None or storage.size * ITEMSIZE[storage.dtype] > extent.size:
    raise wrong(f"it has fewer bytes than the storage of {name!r} claims, {storage.size} items")
  steps = sorted((s, n) for n, s in zip(view.shape, view.strides, strict=True) if n != 1)
  last, covered = view.offset, 1
  for stride, size in steps:  # Items of their own: no two places of a tensor may be one.
    if stride < covered and size:
      raise wrong(f"the strides {view.strides} of {name!r} overlap")
    covered = stride * size
    last += stride * (size - 1)
  if all(view.shape) and last >= storage.size:
    raise wrong(f"{name!r} of shape {view.shape} reaches beyond its storage")
  if steps and steps[0][0] > 1:
    raise InputError(f"{path} has {name!r} with gaps between its items, which is not supported.")
  return Raw(name, view.shape, storage.dtype, (extent,), view.strides, view.offset)


def _zip(path: Path) -> tuple[object, dict[str, Extent]]:
  """(the pickled object, where each storage stands)."""
  with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
    entries = {i.filename.partition("/")[2]: i for i in archive.infolist()}  # under NAME/
    if "data.pkl" not in entries:
      raise InputError(f"{path} is a zip archive that torch.save did not write: no data.pkl in it.")
    size = path.stat().st_size
    where = {name: _extent(path, file, i, size) for name, i in entries.items()}
    if "byteorder" in where and _bytes(file, where["byteorder"]) != b"little":
      raise InputError(f"{path} was written on a big-endian machine, which is not supported.")
    state = pickled.load(io.BytesIO(_bytes(file, where["data.pkl"])), str(path))
  prefix = "data/"
  return state, {n.removeprefix(prefix): e for n, e in where.items() if n.startswith(prefix)}


def _extent(path: Path, file, entry: zipfile.ZipInfo, size: int) -> Extent:
  """Where the bytes of an entry stand. torch.save compresses nothing, so that they are the
  numbers themselves, and no entry can be larger than the file."""
  if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
    raise InputError(
      f"{path} has a compressed entry, {entry.filename!r}: torch.save writes none, and what it "
      "unfolds to could be of any size. Save it again with torch."
    )
  file.seek(entry.header_offset)
  local = file.read(30)
  lengths = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
  start = entry.header_offset + 30 + lengths
  if local[:4] != b"PK\3\4" or start + entry.file_size > size:
    raise InputError(f"{path} is not whole: {entry.filename!r} reaches beyond the end of the file.")
  return Extent(path, start, entry.file_size)


def _bytes(file, extent: Extent) -> bytes:
  if extent.size > LIMIT:
    raise InputError(f"{extent.file} has a pickle of {extent.size} bytes; no weights need that.")
  file.seek(extent.start)
  return file.read(extent.size)


def _legacy(path: Path) -> tuple[object, dict[str, Extent]]:
  """The old format: a magic number, a version, facts of the machine, the object, the keys of the
  storages, and each storage as its length in eight bytes and its items."""
  size = path.stat().st_size
  with open(path, "rb") as file:
    head = io.BytesIO(file.read(LIMIT))
    if pickled.load(head, str(path)) != _MAGIC:
      raise InputError(f"{path} is not a file of torch.save.")
    _, machine, state, keys = (pickled.load(head, str(path)) for _ in range(4))
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
      raise InputError(f"{path} was written on a big-endian machine, which is not supported.")
    if not isinstance(keys, list) or not isinstance(state, dict):
      raise InputError(f"{path} is not a file of torch.save.")
    storages = {v.storage.key: v.storage for v in state.values() if isinstance(v, View)}
    at, where = head.tell(), {}
    for key in keys:
      if not isinstance(key, str) or key not in storages:
        raise InputError(f"{path} has a storage that none of its tensors uses.")
      file.seek(at)
      items = int.from_bytes(file.read(8), "little")
      where[key] = Extent(path, at + 8, items * ITEMSIZE[storages[key].dtype])
      at += 8 + where[key].size
      if at > size:
        raise InputError(f"{path} is not whole: its storages reach beyond the end of the file.")
  return state, where
