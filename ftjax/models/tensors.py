"""The checkpoint's tensors and our leaves: names, shapes and layouts on both sides."""

import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

import einops
import numpy as np
from safetensors.numpy import save_file

from ftjax.config import InputError
from ftjax.models import values
from ftjax.models.config import ModelConfig, Weight

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
JSON_LIMIT = 1 << 26  # bytes; the index of a model of 100,000 tensors has a fifth of it
JSON_DEPTH = 32
ALL = slice(None)


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
    places[name] = tuple(at.get(dim, ALL) for dim in leaf_dims(weight))
  return places


def names_of(weight: Weight, config: ModelConfig) -> list[str]:
  """The checkpoint's names of one line of the table."""
  return list(places_of(weight, config))


def our_shape(weight: Weight, config: ModelConfig) -> tuple[int, ...]:
  """The shape of a leaf here, layers and experts first where the name has them."""
  sizes = sizes_of(weight, config)
  return tuple(sizes[d] for d in leaf_dims(weight))


def hf_shape(weight: Weight, config: ModelConfig) -> tuple[int, ...]:
  """The shape that the checkpoint's tensor must have."""
  theirs, sizes = dims_of(weight)[0], sizes_of(weight, config)
  return tuple(math.prod(sizes[d] for d in group) for group in theirs)


def dims_of(weight: Weight) -> tuple[list[list[str]], list[str]]:
  """([["N", "H"], ["D"]], ["D", "N", "H"]) of "(N H) D -> D N H": the dims of one tensor, over there
  the letters that each is merged from, here one letter each."""
  theirs, ours = _pattern(weight)
  return groups(theirs), ours.split()


def groups(side: str) -> list[list[str]]:
  """[["N", "H"], ["D"]] of "(N H) D": the letters that each dim is merged from."""
  return [(many or one).split() for many, one in re.findall(r"\(([^)]*)\)|(\w)", side)]


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


def leaf_dims(weight: Weight) -> list[str]:
  """The dims of a leaf: those that come first, then the right side of the pattern."""
  return [*weight.lead, *weight.dims.split("->")[1].split()]


def sizes_of(weight: Weight, config: ModelConfig) -> dict[str, int]:
  """The size of each letter in a line of the table."""
  return config.sizes | dict(weight.sizes)


def _sizes(weight: Weight, config: ModelConfig) -> dict[str, int]:
  dims = _pattern(weight)[0]
  return {d: size for d, size in sizes_of(weight, config).items() if d in dims}


def read_json(path: Path) -> dict[str, Any]:
  """A JSON file that must hold an object."""
  if path.stat().st_size > JSON_LIMIT:
    raise InputError(f"{path} has {path.stat().st_size} bytes, which no such file needs.")
  try:
    found = json.loads(path.read_text(encoding="utf-8"))
  except json.JSONDecodeError as e:
    raise InputError(
      f"{path} is not valid JSON: line {e.lineno}, column {e.colno}: {e.msg}."
    ) from e
  except (OSError, ValueError, RecursionError) as e:  # not UTF-8, endless digits, endless brackets
    raise InputError(f"{path} is not valid JSON: {e}.") from e
  if not isinstance(found, dict):
    raise InputError(f"{path} holds {type(found).__name__}, not an object of JSON.")
  if values.deepest(found, JSON_DEPTH) > JSON_DEPTH:
    raise InputError(
      f"{path} nests more than {JSON_DEPTH} lists and objects: no such file needs that."
    )
  return found


def save(tensors: dict[str, np.ndarray], path: Path) -> None:
  """Writes a safetensors file as transformers marks it, readable by whom the folder lets in (the
  library would make it the owner's alone)."""
  save_file(tensors, path, metadata={"format": "pt"})
  path.chmod(0o644)
