"""The checkpoint's tensors and our leaves: names, shapes and layouts on both sides."""

import json
import re
from pathlib import Path
from typing import Any

import einops
import numpy as np
from safetensors.numpy import save_file

from ftjax.config import InputError
from ftjax.models.config import ModelConfig, Weight

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
JSON_LIMIT = 1 << 26  # bytes; the index of a model of 100,000 tensors has a fifth of it


def names_of(weight: Weight, config: ModelConfig) -> list[str]:
  """The checkpoint's names of one line of the table: one a layer where it is stacked."""
  return (
    [weight.hf_name.format(l=l) for l in range(config.L)] if weight.stacked else [weight.hf_name]
  )


def our_shape(weight: Weight, config: ModelConfig) -> tuple[int, ...]:
  """The shape of a leaf here, layers first where stacked."""
  right = weight.dims.split("->")[1].split()
  return ((config.L,) if weight.stacked else ()) + tuple(config.sizes[d] for d in right)


def hf_shape(weight: Weight, config: ModelConfig) -> tuple[int, ...]:
  """The shape that the checkpoint's tensor must have."""
  groups = re.findall(r"\(([^)]*)\)|(\w)", weight.dims.split("->")[0])
  return tuple(
    int(np.prod([config.sizes[d] for d in (many or one).split()])) for many, one in groups
  )


def places_of(weight: Weight, config: ModelConfig) -> list[tuple[str, tuple[int, ...]]]:
  """(the checkpoint's name, the index in our leaf) of each tensor of one line of the table: the
  index is () for a leaf that is not stacked."""
  shape, names = our_shape(weight, config), names_of(weight, config)
  stacked = shape[: len(shape) - len(groups(weight.dims.split("->")[1]))]
  return list(zip(names, np.ndindex(*stacked), strict=True))


def groups(side: str) -> list[list[str]]:
  """[["N", "H"], ["D"]] from "(N H) D": the letters of each dim of one side of a pattern."""
  return [(many or one).split() for many, one in re.findall(r"\(([^)]*)\)|(\w+)", side)]


def to_ours(tensor: np.ndarray, weight: Weight, config: ModelConfig) -> np.ndarray:
  """One layer's tensor in our layout."""
  return einops.rearrange(tensor, weight.dims, **_sizes(weight, config))


def to_theirs(leaf: np.ndarray, weight: Weight, config: ModelConfig) -> np.ndarray:
  """One layer of a leaf in the checkpoint's layout."""
  theirs, ours = weight.dims.split("->")
  return einops.rearrange(leaf, f"{ours} -> {theirs}", **_sizes(weight, config))


def _sizes(weight: Weight, config: ModelConfig) -> dict[str, int]:
  return {d: size for d, size in config.sizes.items() if d in weight.dims}


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
