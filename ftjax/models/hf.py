"""Checkpoint folders, looked into and read: what the model is, and its weights in whichever of the
formats they are."""

import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Sharding

from ftjax import log, plugin, tree
from ftjax.config import InputError
from ftjax.models import values
from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families import ALIASES, NOT_SUPPORTED
from ftjax.models.fields import CONFIG
from ftjax.models.formats import flax_msgpack, meta, mxfp4, safetensors, torch_bin
from ftjax.models.formats.stored import DTYPES, READABLE, Stored
from ftjax.models.hub import resolve
from ftjax.models.quant import base, written
from ftjax.models.quant.reading import Kernel
from ftjax.models.reading import Reader, box_of, size_of
from ftjax.models.tensors import hf_shape, names_of, our_shape, read_json

__all__ = [
  "FORMATS", "Checkpoint", "dtypes", "generation_config", "has_weights", "load_family", "open_checkpoint",
  "read", "read_config", "resolve",
]  # fmt: skip
FAMILIES = "ftjax.models.families"
FORMATS = (safetensors, torch_bin, flax_msgpack, meta)  # the first that a folder has is read


@dataclass(frozen=True)
class Checkpoint:
  """A folder that has been looked into but not read: what the model is, and which file holds each
  tensor."""

  folder: Path
  hf_config: dict[str, Any]
  config: ModelConfig
  table: list[Weight]
  stored: dict[str, Stored]  # by the table's names, which are those of transformers today
  format: str  # "safetensors", ...
  growth: Any = None  # vocabulary.Growth: what `config` has beyond what is stored
  quantized: written.Quantized | None = None  # where the files have kernels as leaves of quant/...

  @property
  def lines(self) -> list[Weight]:
    """The table of the tensors that are stored."""
    if self.quantized is None:
      return self.table
    return written.lines(self.table, self.config, self.quantized.format)

  def format_for(self, quantize: str) -> str:
    """The format that the kernels will have: the one that is asked for, or that they are stored in.
    Raises InputError for any other than the latter."""
    if self.quantized is None:
      return quantize
    kind, full = self.quantized
    if quantize not in ("", kind):
      raise InputError(
        f"model.quantize={quantize}, and {self.folder} is a base in {kind} already, which cannot be "
        f"turned into another format. Leave it empty, or name the full-precision base ({full})."
      )
    return kind

  def need_full(self, what: str) -> None:
    """Raises InputError where the kernels are stored quantized. what: that cannot be done then."""
    if self.quantized is not None:
      kind, full = self.quantized
      raise InputError(
        f"{self.folder} is a base in {kind}, and {what} needs the weights in full. Name the "
        f"full-precision base that it was made from ({full}) instead."
      )


def open_checkpoint(folder: str | Path) -> Checkpoint:
  """Reads config.json and the headers of the weights; checks every name and shape in both directions before any
  tensor is read.

  Raises InputError: no config.json or weights, an unsupported model_type, unknown config fields,
  and tensors that are missing, unexpected or of the wrong shape.
  """
  folder = Path(folder)
  hf_config = read_config(folder)
  method = values.check(
    folder / CONFIG, written.KEY, hf_config.get(written.KEY) or {}, values.MAPPING
  )
  packed = method.get("quant_method") == mxfp4.METHOD
  if packed:  # Read as what it stands for, which is what will be written.
    hf_config = {k: v for k, v in hf_config.items() if k != written.KEY}
  hf_config, quantized = written.opened(hf_config, folder)
  family = load_family(hf_config)
  config = family.config(hf_config)
  table = family.weights(config)
  format_, files = _weights(folder, quantized is not None)
  stored = mxfp4.opened(format_.headers(files)) if packed else format_.headers(files)
  prefix, ignored = getattr(family, "PREFIX", ""), list(getattr(family, "IGNORED", ()))
  if prefix and not any(name.startswith(prefix) for name in stored):
    full = lambda n: n if n.startswith("lm_head") else prefix + n
    stored = {full(n): x for n, x in stored.items()}
  if config.tied:
    ignored.append(r"lm_head\.weight")  # a copy of the token table
  ignored.append(r".*rotary_emb\.inv_freq")  # computed from config.json
  found = Checkpoint(folder, hf_config, config, table, stored, format_.NAME, quantized=quantized)
  _check_names(found, ignored)
  mine = {name: stored[name] for weight in found.lines for name in names_of(weight, config)}
  return replace(found, stored=mine)


def read_config(folder: Path) -> dict[str, Any]:
  """config.json of a checkpoint folder, or what it would say where the format has its own."""
  path = folder / CONFIG
  if path.is_file():
    return read_json(path)
  if files := meta.find(folder):
    return meta.config(files)
  raise InputError(f"{folder} has no config.json: it is not a model folder in Hugging Face format.")


def has_weights(folder: Path) -> bool:
  """Whether a folder holds weights in a format that is read here, in full or quantized."""
  return bool(safetensors.find(folder, written.STEM)) or any(f.find(folder) for f in FORMATS)


def _weights(folder: Path, quantized: bool) -> tuple[ModuleType, list[Path]]:
  """(the format to read, its files)."""
  if quantized:
    if files := safetensors.find(folder, written.STEM):
      return safetensors, files
    raise InputError(
      f"{folder} has no weights: its config.json says that they are quantized and by ftjax, and there "
      f"is no {written.STEM}.safetensors, nor its index. Copy the folder again."
    )
  for format_ in FORMATS:
    if files := format_.find(folder):
      return format_, files
  known = "; ".join(f"{f.FILES} ({f.NAME})" for f in FORMATS)
  found = ", ".join(sorted(p.name for p in folder.iterdir()))
  raise InputError(f"{folder} has no weights: none of {known}. It holds: {found}.")


def generation_config(folder: Path) -> dict[str, Any]:
  """generation_config.json, or {} where there is none."""
  path = folder / "generation_config.json"
  return read_json(path) if path.is_file() else {}


def load_family(hf_config: dict[str, Any]):
  """The family module of config.json's model_type."""
  kind = hf_config.get("model_type")
  if not kind:
    raise InputError("config.json has no model_type.")
  values.check(CONFIG, "model_type", kind, values.TEXT)
  known = plugin.names(FAMILIES)
  if ALIASES.get(kind, kind) not in known:
    hint = NOT_SUPPORTED.get(kind) or f"Supported: {', '.join(known)}."
    more = "" if kind in NOT_SUPPORTED else plugin.did_you_mean(kind, known)
    raise InputError(f"model_type={values.shown(kind)} is not supported. {hint}{more}")
  return plugin.load(FAMILIES, ALIASES.get(kind, kind))


def read(
  checkpoint: Checkpoint,
  dtype=None,
  sharding: Callable[[str, Any], Sharding] | None = None,
  quantize: str = "",
) -> dict[str, Any]:
  """{"params": ...} with every leaf in `dtype`, stacked over layers, placed by `sharding(name,
  shape_struct)`.

  dtype: None keeps what the file has: each leaf gets the narrowest dtype that holds those of all
  its tensors (float64 becomes float32, unless jax has float64 enabled); with `dtypes`, export
  then writes each as it was. Only the parts that this process's devices hold are read, straight
  into the memory that they keep on a CPU: beside it the host holds pieces of a few megabytes.
  quantize: a format of models/quant for the blocks' kernels, which are then under "quant" and never
  in memory as they were; where they are stored so, "" or that one. Raises InputError where a file is
  cut, and for another format than the stored one.
  """
  c, leaves, plan, kernels = checkpoint, {}, [], []
  quantize = c.format_for(quantize)
  for weight in c.lines:
    if quantize and base.quantized(weight.name):
      kernels.append(Kernel(weight, c.config, quantize, sharding))
      continue
    name, shape = weight.name, our_shape(weight, c.config)
    kind = READABLE[weight.dtype] if weight.dtype else dtype
    if kind is None:
      kind = _widest(c.stored[n].dtype for n in names_of(weight, c.config))
    place = sharding and sharding(name, jax.ShapeDtypeStruct(shape, kind))
    whole = (slice(None),) * len(shape)
    indices = place.addressable_devices_indices_map(shape).values() if place else [whole]
    boxes = {box_of(index, shape) for index in indices}
    plan.append((weight, name, shape, np.dtype(kind), place, boxes))
  total = sum(kind.itemsize * size_of(box) for *_, kind, _, boxes in plan for box in boxes)
  total += sum(kernel.nbytes for kernel in kernels)
  what = f"reading {c.folder.name} ({c.format})"
  with log.Transfer(what, total) as transfer, Reader(transfer.add) as reader:
    for weight, name, shape, kind, place, boxes in plan:
      parts = reader.parts(weight, c.config, c.stored, boxes, kind)
      pick = lambda index, parts=parts, shape=shape: parts[box_of(index, shape)]
      if place:
        leaf = jax.make_array_from_callback(shape, place, pick)
      else:
        leaf = jax.device_put(*parts.values())
      leaves[name] = jax.block_until_ready(leaf)  # Elsewhere than on a CPU the host's copy goes.
    for kernel in kernels:
      leaves |= kernel.read(reader, c.stored)
  return tree.unflatten(leaves)


def dtypes(checkpoint: Checkpoint) -> dict[str, np.dtype]:
  """The dtype of each tensor in the file: for an export that changes none."""
  return {name: READABLE[x.dtype] for name, x in checkpoint.stored.items()}


def _widest(names: Iterable[str]) -> np.dtype:
  """The narrowest dtype that jax has and that holds all of these."""
  return jax.dtypes.canonicalize_dtype(
    functools.reduce(jnp.promote_types, (DTYPES[n] for n in names))
  )


def _check_names(checkpoint: Checkpoint, ignored: list[str]) -> None:
  c, stored = checkpoint, checkpoint.stored
  lines = {name: w for w in c.lines for name in names_of(w, c.config)}
  wanted = {name: hf_shape(w, c.config) for name, w in lines.items()}
  extra = stored.keys() - wanted.keys()
  both = {name: stored[name] for name in wanted if name in stored}
  problems = {
    "missing": sorted(wanted.keys() - stored.keys()),
    "unexpected": sorted(n for n in extra if not any(re.fullmatch(p, n) for p in ignored)),
    "of the wrong shape": [
      f"{n} is {x.shape}, not {wanted[n]}" for n, x in both.items() if x.shape != wanted[n]
    ],
    "of the wrong type": [
      f"{n} is {x.dtype}, not {lines[n].dtype}"
      for n, x in both.items()
      if lines[n].dtype not in ("", x.dtype)
    ],
    f"of a type other than {', '.join(DTYPES)} (a quantized model? give the one it was made from)": [
      f"{n} is {x.dtype}" for n, x in both.items() if not lines[n].dtype and x.dtype not in DTYPES
    ],
  }
  if found := [f"{what}: {_some(names)}" for what, names in problems.items() if names]:
    raise InputError(f"The tensors in {c.folder} do not fit its config.json. {'; '.join(found)}.")


def _some(names: list[str], limit: int = 5) -> str:
  more = f" and {len(names) - limit} more" if len(names) > limit else ""
  return ", ".join(names[:limit]) + more
