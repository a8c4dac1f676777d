"""Hugging Face checkpoint folders, read and written: config.json, safetensors (one file or shards with an index)."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import einops
import jax
import numpy as np
from safetensors import SafetensorError, safe_open

from ftjax import plugin, tree
from ftjax.config import InputError
from ftjax.models.config import ModelConfig, Weight

FAMILIES = "ftjax.models.families"
STARTER = Path(__file__).resolve().parents[1] / "assets" / "starter"
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"


@dataclass(frozen=True)
class Checkpoint:
  """A folder that has been looked into but not read: what the model is, and which file holds each tensor."""

  folder: Path
  hf_config: dict[str, Any]
  config: ModelConfig
  table: list[Weight]
  files: dict[str, Path]  # tensor name -> safetensors file


def resolve(source: str, revision: str = "") -> Path:
  """The local folder of a source: a folder, "starter", or a hub id (downloaded to, or found in, the hub's cache)."""
  if source == "starter":
    return STARTER
  folder = Path(source).expanduser()
  if folder.is_dir():
    return folder
  if folder.is_absolute() or source.startswith((".", "~")) or source.count("/") > 1:
    raise InputError(f"model.source={source!r}: there is no such folder (looked from {Path.cwd()}).")
  from huggingface_hub import errors, snapshot_download

  wanted = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "LICENSE*"]
  try:
    return Path(snapshot_download(source, revision=revision or None, allow_patterns=wanted))
  except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, errors.HFValidationError, OSError) as e:
    raise InputError(
      f"model.source={source!r} is no folder here, and the hub did not give it ({type(e).__name__}). Check the "
      "name; for a gated model accept its licence on its page and run `hf auth login`; without network give a "
      "folder, or 'starter'."
    ) from e


def open_checkpoint(folder: str | Path) -> Checkpoint:
  """Reads config.json and the headers; checks every name and shape in both directions before any tensor is read.

  Raises InputError: no config.json or weights, an unsupported model_type, unknown config fields, and tensors that
  are missing, unexpected or of the wrong shape.
  """
  folder = Path(folder)
  hf_config = read_config(folder)
  family = load_family(hf_config)
  config = family.config(hf_config)
  table = family.weights(config)
  files, shapes = _headers(folder)
  prefix, ignored = getattr(family, "PREFIX", ""), list(getattr(family, "IGNORED", ()))
  if prefix and not any(name.startswith(prefix) for name in files):
    rename = lambda n: n if n.startswith("lm_head") else prefix + n
    renamed = {rename(n): n for n in files}
    table = [Weight(renamed.get(w.hf_name, w.hf_name.replace(prefix, "", 1)), w.path, w.dims) for w in table]
    ignored = [pattern.replace(re.escape(prefix), "") for pattern in ignored]
  if config.tied:
    ignored.append(r"lm_head\.weight")  # a copy of the token table
  ignored.append(r".*rotary_emb\.inv_freq")  # computed from config.json
  _check_names(table, config, shapes, ignored, folder)
  return Checkpoint(folder, hf_config, config, table, files)


def read_config(folder: Path) -> dict[str, Any]:
  """config.json of a checkpoint folder."""
  path = folder / "config.json"
  if not path.is_file():
    raise InputError(f"{folder} has no config.json: it is not a model folder in Hugging Face format.")
  try:
    return json.loads(path.read_text(encoding="utf-8"))
  except json.JSONDecodeError as e:
    raise InputError(f"{path} is not valid JSON: line {e.lineno}, column {e.colno}: {e.msg}.") from e


def generation_config(folder: Path) -> dict[str, Any]:
  """generation_config.json, or {} where there is none."""
  path = folder / "generation_config.json"
  return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def load_family(hf_config: dict[str, Any]):
  """The family module of config.json's model_type."""
  kind = hf_config.get("model_type")
  if not kind:
    raise InputError("config.json has no model_type.")
  known = plugin.names(FAMILIES)
  if kind not in known:
    raise InputError(
      f"model_type={kind!r} is not supported. Supported: {', '.join(known)}.{plugin.did_you_mean(kind, known)}"
    )
  return plugin.load(FAMILIES, kind)


def names_of(weight: Weight, config: ModelConfig) -> list[str]:
  """The checkpoint's names of one line of the table: one a layer where it is stacked."""
  return [weight.hf_name.format(l=l) for l in range(config.L)] if weight.stacked else [weight.hf_name]


def read(checkpoint: Checkpoint, dtype, sharding: Callable[[str, Any], Any] | None = None):
  """{"params": ...} with every leaf in `dtype`, stacked over layers, placed by `sharding(name, shape_struct)`.

  Each leaf is assembled on the host slice by slice, so that at most one leaf is held twice.
  """
  leaves = {}
  handles: dict[Path, Any] = {}
  for weight in checkpoint.table:
    name, shape = "params/" + weight.path, our_shape(weight, checkpoint.config)
    load = lambda index, w=weight: _assemble(checkpoint, w, index, dtype, handles)
    if sharding is None:
      leaves[name] = jax.numpy.asarray(load((slice(None),) * len(shape)))
    else:
      place = sharding(name, jax.ShapeDtypeStruct(shape, dtype))
      leaves[name] = jax.make_array_from_callback(shape, place, load)
  return tree.unflatten(leaves)


def our_shape(weight: Weight, config: ModelConfig) -> tuple[int, ...]:
  """The shape of a leaf here, layers first where stacked."""
  right = weight.dims.split("->")[1].split()
  return ((config.L,) if weight.stacked else ()) + tuple(config.sizes[d] for d in right)


def hf_shape(weight: Weight, config: ModelConfig) -> tuple[int, ...]:
  """The shape that the checkpoint's tensor must have."""
  groups = re.findall(r"\(([^)]*)\)|(\w)", weight.dims.split("->")[0])
  return tuple(int(np.prod([config.sizes[d] for d in (many or one).split()])) for many, one in groups)


def to_ours(tensor: np.ndarray, weight: Weight, config: ModelConfig) -> np.ndarray:
  """One layer's tensor in our layout."""
  return einops.rearrange(tensor, weight.dims, **_sizes(weight, config))


def to_theirs(leaf: np.ndarray, weight: Weight, config: ModelConfig) -> np.ndarray:
  """One layer of a leaf in the checkpoint's layout."""
  theirs, ours = weight.dims.split("->")
  return einops.rearrange(leaf, f"{ours} -> {theirs}", **_sizes(weight, config))


def _sizes(weight: Weight, config: ModelConfig) -> dict[str, int]:
  return {d: size for d, size in config.sizes.items() if d in weight.dims}


def _assemble(checkpoint, weight, index, dtype, handles) -> np.ndarray:
  config = checkpoint.config

  def one(name):
    tensor = _tensor(checkpoint.files[name], name, handles)
    return to_ours(tensor, weight, config)

  names = names_of(weight, config)
  if not weight.stacked:
    return np.ascontiguousarray(one(names[0])[index]).astype(dtype)
  return np.stack([one(n)[index[1:]].astype(dtype) for n in names[index[0]]])


def _tensor(path: Path, name: str, handles: dict) -> np.ndarray:
  if path not in handles:
    handles[path] = safe_open(path, framework="numpy")
  return handles[path].get_tensor(name)


def _headers(folder: Path) -> tuple[dict[str, Path], dict[str, tuple[int, ...]]]:
  """(file of each tensor, shape of each tensor), from the index where there is one."""
  index = folder / INDEX
  if index.is_file():
    try:
      listed = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    except (json.JSONDecodeError, KeyError) as e:
      raise InputError(f"{index} is not a valid index: {e}.") from e
    paths = sorted(set(listed.values()))
    if bad := [p for p in paths if Path(p).name != p]:
      raise InputError(f"{index} points outside its folder: {bad[0]!r}.")
  elif (folder / SINGLE).is_file():
    paths, listed = [SINGLE], None
  else:
    found = sorted(p.name for p in folder.iterdir())
    raise InputError(f"{folder} has no weights: no {SINGLE} and no {INDEX}. It holds: {', '.join(found)}.")
  files, shapes = {}, {}
  for name in paths:
    path = folder / name
    if not path.is_file():
      raise InputError(f"{index} names {name}, which is missing.")
    try:
      with safe_open(path, framework="numpy") as f:
        for key in f.keys():
          files[key], shapes[key] = path, tuple(f.get_slice(key).get_shape())
    except (SafetensorError, OSError) as e:
      raise InputError(f"{path} is not a whole safetensors file: {e}. Download or copy it again.") from e
  return files, shapes


def _check_names(table, config, shapes, ignored, folder) -> None:
  wanted = {name: hf_shape(w, config) for w in table for name in names_of(w, config)}
  missing = sorted(wanted.keys() - shapes.keys())
  extra = sorted(n for n in shapes.keys() - wanted.keys() if not any(re.fullmatch(p, n) for p in ignored))
  wrong = [f"{n} is {shapes[n]}, not {wanted[n]}" for n in wanted if n in shapes and shapes[n] != wanted[n]]
  problems = [
    f"{what}: {', '.join(map(str, some[:5]))}{f' and {len(some) - 5} more' if len(some) > 5 else ''}"
    for what, some in (("missing", missing), ("unexpected", extra), ("of the wrong shape", wrong)) if some
  ]  # fmt: skip
  if problems:
    raise InputError(f"The tensors in {folder} do not fit its config.json. " + "; ".join(problems) + ".")
