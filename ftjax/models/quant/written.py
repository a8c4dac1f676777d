"""A quantized base in a folder: what config.json says of it, and the tensors that stand for a kernel.

  model.layers.0.mlp.down_proj.weight   F32 [D, F]
      ->  model.layers.0.mlp.down_proj.weight.nf4      U8 [n, 32, D]
          model.layers.0.mlp.down_proj.weight.scales   I8 [n, D]
          model.layers.0.mlp.down_proj.weight.step     F32 [n, G]
          model.layers.0.mlp.down_proj.weight.mean     F32 [n, G]

Their dims are those of the leaves (quant/codes.py), without those that the name counts. Everything else
is in the folder as it was. The files begin with STEM: to transformers a quant_method that it does
not know is a warning, after which it fills the kernels with random numbers, whereas a folder without
model.safetensors is an error.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ftjax.config import InputError, choice
from ftjax.models import hub
from ftjax.models.config import ModelConfig, Weight
from ftjax.models.formats.stored import READABLE
from ftjax.models.quant import base, codes
from ftjax.models.tensors import leaf_dims, our_shape

METHOD = "ftjax"  # as quantization_config calls it
STEM = "quantized"
KEY = "quantization_config"
_DTYPES = {dtype: name for name, dtype in READABLE.items()}


class Quantized(NamedTuple):
  """What kernels are stored as. base: the full-precision source that they were made from; in the file
  a path is one from the folder."""

  format: str
  base: str


def settings(quantized: Quantized) -> dict[str, Any]:
  """quantization_config of a folder's config.json."""
  sizes = {"block_size": codes.BLOCK, "scale_group_size": codes.GROUP}
  found = {"quant_method": METHOD, "format": quantized.format}
  return found | (sizes if quantized.format != codes.INT8 else {}) | {"base": quantized.base}


def opened(hf_config: dict[str, Any], folder: Path) -> tuple[dict[str, Any], Quantized | None]:
  """(config.json without what `settings` gave, that), or as it is where it is of another kind.

  Raises InputError for a format that is not known, or sizes that this version does not have.
  """
  found = hf_config.get(KEY)
  if not isinstance(found, Mapping) or found.get("quant_method") != METHOD:
    return hf_config, None
  kind = choice(found.get("format"), codes.KINDS, f"{folder}: {KEY}.format")
  quantized = Quantized(kind, str(found.get("base", "")))
  if found != (wanted := settings(quantized)):
    raise InputError(
      f"{folder}: config.json has {KEY}={dict(found)}, and what can be read is {wanted}. Quantize the "
      "full-precision base again (scripts/export.py --quantize), or use the version that wrote it."
    )
  whole = quantized._replace(base=hub.named_in(folder, quantized.base))
  return {k: v for k, v in hf_config.items() if k != KEY}, whole


def lines(table: list[Weight], config: ModelConfig, kind: str) -> list[Weight]:
  """The weight table of the folder: that of the family, each quantized kernel's line as `leaves`."""
  apart = lambda w: leaves(w, config, kind) if base.quantized(w.name) else [w]
  return [line for weight in table for line in apart(weight)]


def leaves(weight: Weight, config: ModelConfig, kind: str) -> list[Weight]:
  """A kernel's line as one for each of its leaves."""
  theirs, _ = weight.dims.split("->")
  dims = tuple(leaf_dims(weight))
  spread = {d for d in dims[len(weight.lead) :] if d not in theirs}
  lead, _, outputs = base.sides(weight.name, dims)
  found = []
  for name, x in base.structs(weight.name, our_shape(weight, config), kind).items():
    collection, _, path = name.partition("/")
    part = path.rpartition("/")[2]
    mine = (*lead, *_letters(part, outputs))
    ours = mine[len(weight.lead) :]
    found.append(
      Weight(
        f"{weight.hf_name}.{part}",
        path,
        f"{' '.join(d for d in ours if d not in spread)} -> {' '.join(ours)}",
        collection=collection,
        dtype=_DTYPES[x.dtype],
        sizes=tuple((d, n) for d, n in zip(mine, x.shape, strict=True) if d.islower()),
      )
    )
  return found


def _letters(part: str, outputs: tuple[str, ...]) -> tuple[str, ...]:
  """The dims of a leaf of one matrix: i inputs, b blocks, h bytes of a block, g groups of scales."""
  match part:
    case codes.INT8:
      return "i", *outputs
    case "scale":
      return outputs
    case "scales":
      return "b", *outputs
    case "step" | "mean":
      return "b", *outputs[:-1], "g"
    case _:
      return "b", "h", *outputs
