"""Tensors in safetensors files: where they are, and their way from the checkpoint's layout to
ours."""

import itertools
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import einops
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ftjax.config import InputError
from ftjax.models.config import ModelConfig, Weight

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
DTYPES = ("F64", "F32", "F16", "BF16")  # of tensors in a file, as safetensors calls them

ALL = slice(None)
Key = tuple[tuple[int, int], ...]  # which part of a leaf: (start, stop) of every dim


class Stored(NamedTuple):
  """A tensor in a safetensors file, from the file's header."""

  file: Path
  name: str
  shape: tuple[int, ...]
  dtype: str


def places_of(weight: Weight, config: ModelConfig) -> dict[str, tuple[int | slice, ...]]:
  """{the checkpoint's name: its index in the leaf} of one line of the table, in a steady order."""
  fields = re.findall(r"\{(.*?)\}", weight.hf_name)
  dims = [_spread(weight) if "," in field else field.upper() for field in fields]
  choices = [
    field.split(",") if "," in field else range(config.sizes[dim])
    for field, dim in zip(fields, dims, strict=True)
  ]
  template = re.sub(r"\{.*?\}", "{}", weight.hf_name)
  places = {}
  for chosen in itertools.product(*map(enumerate, choices)):
    at = {dim: i for dim, (i, _) in zip(dims, chosen, strict=True)}
    name = template.format(*(word for _, word in chosen))
    places[name] = tuple(at.get(dim, ALL) for dim in _leaf_dims(weight))
  return places


def names_of(weight: Weight, config: ModelConfig) -> list[str]:
  """The checkpoint's names of one line of the table."""
  return list(places_of(weight, config))


def our_shape(weight: Weight, config: ModelConfig) -> tuple[int, ...]:
  """The shape of a leaf here, layers and experts first where the name has them."""
  return tuple(config.sizes[d] for d in _leaf_dims(weight))


def hf_shape(weight: Weight, config: ModelConfig) -> tuple[int, ...]:
  """The shape that the checkpoint's tensor must have."""
  groups = re.findall(r"\(([^)]*)\)|(\w)", weight.dims.split("->")[0])
  return tuple(
    int(np.prod([config.sizes[d] for d in (many or one).split()])) for many, one in groups
  )


def to_ours(tensor: np.ndarray, weight: Weight, config: ModelConfig) -> np.ndarray:
  """One of the checkpoint's tensors in our layout: what belongs at its place in the leaf."""
  theirs, ours = _pattern(weight)
  return einops.rearrange(tensor, f"{theirs} -> {ours}", **_sizes(weight, config))


def to_theirs(part: np.ndarray, weight: Weight, config: ModelConfig) -> np.ndarray:
  """One place of a leaf in the checkpoint's layout."""
  theirs, ours = _pattern(weight)
  return einops.rearrange(part, f"{ours} -> {theirs}", **_sizes(weight, config))


def _pattern(weight: Weight) -> tuple[str, str]:
  """The two sides of `dims`, of one tensor: without the dim that the name's choice runs over."""
  theirs, ours = weight.dims.split("->")
  return theirs, ours.replace(_spread(weight), "") if _spread(weight) else ours


def _spread(weight: Weight) -> str:
  """The dim that a choice in the name runs over, or ""."""
  theirs, ours = weight.dims.split("->")
  return "".join(d for d in ours.split() if d not in theirs)


def _leaf_dims(weight: Weight) -> list[str]:
  """The dims of a leaf: those that come first, then the right side of the pattern."""
  return [*weight.lead, *weight.dims.split("->")[1].split()]


def _sizes(weight: Weight, config: ModelConfig) -> dict[str, int]:
  dims = _pattern(weight)[0]
  return {d: size for d, size in config.sizes.items() if d in dims}


def parts_of(
  weight: Weight, config: ModelConfig, stored: dict[str, Stored], indices, dtype, handles: dict
) -> dict[Key, np.ndarray]:
  """The parts of one leaf that these indices select, by key_of; each tensor is read once, however
  many parts it is in."""
  shape = our_shape(weight, config)
  wanted = {key_of(index, shape): index for index in indices}
  parts = {key: _aligned([stop - start for start, stop in key], dtype) for key in wanted}
  for name, place in places_of(weight, config).items():
    theirs = stored[name]
    if theirs.file not in handles:
      handles[theirs.file] = safe_open(theirs.file, framework="numpy")
    tensor = to_ours(handles[theirs.file].get_tensor(theirs.name), weight, config)
    for key, index in wanted.items():
      if all(i == ALL or a <= i < b for i, (a, b) in zip(place, key, strict=True)):
        to = tuple(i if i == ALL else i - a for i, (a, _) in zip(place, key, strict=True))
        parts[key][to] = tensor[tuple(s for i, s in zip(place, index, strict=True) if i == ALL)]
  return parts


def key_of(index: tuple[slice, ...], shape: tuple[int, ...]) -> Key:
  """(start, stop) of every dim."""
  return tuple(s.indices(size)[:2] for s, size in zip(index, shape, strict=True))


def _aligned(shape, dtype) -> np.ndarray:
  """An empty array at a multiple of 64 bytes, which XLA's CPU takes over as it is instead of
  copying it."""
  dtype = np.dtype(dtype)
  size = int(np.prod(shape)) * dtype.itemsize
  memory = np.empty(size + 64, np.uint8)
  start = -memory.ctypes.data % 64
  return memory[start : start + size].view(dtype).reshape(shape)


def headers(folder: Path) -> dict[str, Stored]:
  """Every tensor of a checkpoint, from the files that the index names where there is one."""
  index = folder / INDEX
  if index.is_file():
    listed = read_json(index).get("weight_map")
    if not isinstance(listed, dict) or not all(isinstance(p, str) for p in listed.values()):
      raise InputError(
        f"{index} is not a valid index: it needs a weight_map from tensors to files."
      )
    paths = sorted(set(listed.values()))
    if bad := [p for p in paths if Path(p).name != p or p == ".."]:
      raise InputError(f"{index} points outside its folder: {bad[0]!r}.")
  elif (folder / SINGLE).is_file():
    paths = [SINGLE]
  else:
    found = sorted(p.name for p in folder.iterdir())
    raise InputError(
      f"{folder} has no weights: no {SINGLE} and no {INDEX}. It holds: {', '.join(found)}."
    )
  stored: dict[str, Stored] = {}
  for name in paths:
    path = folder / name
    if not path.is_file():
      raise InputError(f"{index} names {name!r}, which is missing.")
    try:
      with safe_open(path, framework="numpy") as f:
        for key in f.keys():
          if key in stored:
            raise InputError(
              f"{folder} has the tensor {key} twice: in {stored[key].file.name} and in {name}."
            )
          header = f.get_slice(key)
          stored[key] = Stored(path, key, tuple(header.get_shape()), header.get_dtype())
    except (SafetensorError, OSError) as e:
      raise InputError(
        f"{path} is not a whole safetensors file: {e}. Download or copy it again."
      ) from e
  return stored


def read_json(path: Path) -> dict[str, Any]:
  """A JSON file that must hold an object."""
  try:
    found = json.loads(path.read_text(encoding="utf-8"))
  except json.JSONDecodeError as e:
    raise InputError(
      f"{path} is not valid JSON: line {e.lineno}, column {e.colno}: {e.msg}."
    ) from e
  except UnicodeDecodeError as e:
    raise InputError(f"{path} is not valid JSON: {e}.") from e
  if not isinstance(found, dict):
    raise InputError(f"{path} holds {type(found).__name__}, not an object of JSON.")
  return found


def save(tensors: dict[str, np.ndarray], path: Path) -> None:
  """Writes a safetensors file as transformers marks it, readable by whom the folder lets in (the
  library would make it the owner's alone)."""
  save_file(tensors, path, metadata={"format": "pt"})
  path.chmod(0o644)
