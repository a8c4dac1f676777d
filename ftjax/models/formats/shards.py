"""Weights in one file, or in several that an index lists."""

from collections.abc import Iterable
from pathlib import Path

from ftjax.config import InputError
from ftjax.models.formats.stored import Stored
from ftjax.models.tensors import read_json
from ftjax.models.values import shown

NAME = 255  # bytes of a file's name, the most that file systems have


def find(folder: Path, single: str, index: str) -> list[Path]:
  """The files that the index names, or the single one, or none.

  An index may name files beside it only, by their plain names. Links are followed, since the hub's
  cache is made of them; what they lead to has to be a regular file, and is only ever read as
  weights.
  """
  path = folder / index
  if not path.is_file():
    return [folder / single] if (folder / single).is_file() else []
  listed = read_json(path).get("weight_map")
  if not isinstance(listed, dict) or not all(isinstance(p, str) for p in listed.values()):
    raise InputError(f"{path} is not a valid index: it needs a weight_map from tensors to files.")
  names = sorted(set(listed.values()))
  if bad := [n for n in names if Path(n).name != n or n == ".."]:
    raise InputError(f"{path} points outside its folder: {shown(bad[0])}.")
  if gone := [n for n in names if len(n.encode()) > NAME or not (folder / n).is_file()]:
    raise InputError(f"{path} names {shown(gone[0])}, which is missing.")
  return [folder / n for n in names]


def merge(files: Iterable[tuple[Path, dict[str, Stored]]]) -> dict[str, Stored]:
  """The tensors of all files; none may be in two."""
  every: dict[str, Stored] = {}
  for path, found in files:
    for name in found.keys() & every.keys():
      raise InputError(
        f"{path.parent} has the tensor {name} twice: in {every[name].file.name} and in {path.name}."
      )
    every |= found
  return every
