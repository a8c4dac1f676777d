"""Hugging Face checkpoint folders, read and written: config.json, safetensors (one file or shards
with an index)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from ftjax import plugin, tree
from ftjax.config import InputError
from ftjax.models.config import ModelConfig, Weight
from ftjax.models.tensors import (
  DTYPES,
  Stored,
  headers,
  hf_shape,
  key_of,
  names_of,
  our_shape,
  parts_of,
  read_json,
)

FAMILIES = "ftjax.models.families"
STARTER = Path(__file__).resolve().parents[1] / "assets" / "starter"


@dataclass(frozen=True)
class Checkpoint:
  """A folder that has been looked into but not read: what the model is, and which file holds each
  tensor."""

  folder: Path
  hf_config: dict[str, Any]
  config: ModelConfig
  table: list[Weight]
  stored: dict[str, Stored]  # by the table's names, which are those of transformers today
  growth: Any = None  # vocabulary.Growth: what `config` has beyond what is stored


def resolve(source: str, revision: str = "") -> Path:
  """The local folder of a source: a folder, "starter", or a hub id (downloaded to, or found in, the
  hub's cache)."""
  if source == "starter":
    return STARTER
  folder = Path(source).expanduser()
  if folder.is_dir():
    return folder
  if folder.is_absolute() or source.startswith((".", "~")) or source.count("/") > 1:
    raise InputError(
      f"model.source={source!r}: there is no such folder (looked from {Path.cwd()})."
    )
  from huggingface_hub import errors, snapshot_download

  wanted = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "LICENSE*", "NOTICE*", "USE*"]
  try:
    return Path(snapshot_download(source, revision=revision or None, allow_patterns=wanted))
  except (
    errors.HfHubHTTPError,
    errors.LocalEntryNotFoundError,
    errors.HFValidationError,
    OSError,
  ) as e:
    raise InputError(
      f"model.source={source!r} is no folder here, and the hub did not give it "
      f"({type(e).__name__}). Check the name; for a gated model accept its licence on its page and "
      "run `hf auth login`; without network give a folder, or 'starter'."
    ) from e


def open_checkpoint(folder: str | Path) -> Checkpoint:
  """Reads config.json and the headers; checks every name and shape in both directions before any
  tensor is read.

  Raises InputError: no config.json or weights, an unsupported model_type, unknown config fields,
  and tensors that are missing, unexpected or of the wrong shape.
  """
  folder = Path(folder)
  hf_config = read_config(folder)
  family = load_family(hf_config)
  config = family.config(hf_config)
  table = family.weights(config)
  stored = headers(folder)
  prefix, ignored = getattr(family, "PREFIX", ""), list(getattr(family, "IGNORED", ()))
  if prefix and not any(name.startswith(prefix) for name in stored):
    full = lambda n: n if n.startswith("lm_head") else prefix + n
    stored = {full(n): x for n, x in stored.items()}
  if config.tied:
    ignored.append(r"lm_head\.weight")  # a copy of the token table
  ignored.append(r".*rotary_emb\.inv_freq")  # computed from config.json
  _check_names(table, config, stored, ignored, folder)
  return Checkpoint(folder, hf_config, config, table, stored)


def read_config(folder: Path) -> dict[str, Any]:
  """config.json of a checkpoint folder."""
  path = folder / "config.json"
  if not path.is_file():
    raise InputError(
      f"{folder} has no config.json: it is not a model folder in Hugging Face format."
    )
  return read_json(path)


def generation_config(folder: Path) -> dict[str, Any]:
  """generation_config.json, or {} where there is none."""
  path = folder / "generation_config.json"
  return read_json(path) if path.is_file() else {}


def load_family(hf_config: dict[str, Any]):
  """The family module of config.json's model_type."""
  kind = hf_config.get("model_type")
  if not kind:
    raise InputError("config.json has no model_type.")
  known = plugin.names(FAMILIES)
  if kind not in known:
    raise InputError(
      f"model_type={kind!r} is not supported. Supported: {', '.join(known)}."
      f"{plugin.did_you_mean(kind, known)}"
    )
  return plugin.load(FAMILIES, kind)


def read(checkpoint: Checkpoint, dtype, sharding: Callable[[str, Any], Any] | None = None):
  """{"params": ...} with every leaf in `dtype`, stacked over layers, placed by `sharding(name,
  shape_struct)`.

  On the host one tensor of the checkpoint is held at a time beside the parts of leaves that this
  process keeps; on CPU those parts become the arrays' own memory, without a copy.
  """
  leaves = {}
  handles: dict[Path, Any] = {}
  for weight in checkpoint.table:
    name, shape = "params/" + weight.path, our_shape(weight, checkpoint.config)
    place = sharding and sharding(name, jax.ShapeDtypeStruct(shape, dtype))
    whole = (slice(None),) * len(shape)
    indices = place.addressable_devices_indices_map(shape).values() if place else [whole]
    parts = parts_of(weight, checkpoint.config, checkpoint.stored, indices, dtype, handles)
    pick = lambda index, parts=parts, shape=shape: parts[key_of(index, shape)]
    leaves[name] = (
      jax.make_array_from_callback(shape, place, pick) if place else jax.device_put(pick(whole))
    )
  return tree.unflatten(leaves)


def _check_names(table, config, stored, ignored, folder) -> None:
  wanted = {name: hf_shape(w, config) for w in table for name in names_of(w, config)}
  extra = stored.keys() - wanted.keys()
  both = {name: stored[name] for name in wanted if name in stored}
  problems = {
    "missing": sorted(wanted.keys() - stored.keys()),
    "unexpected": sorted(n for n in extra if not any(re.fullmatch(p, n) for p in ignored)),
    "of the wrong shape": [
      f"{n} is {x.shape}, not {wanted[n]}" for n, x in both.items() if x.shape != wanted[n]
    ],
    f"of a type other than {', '.join(DTYPES)} (a quantized model? give the one it was made from)": [
      f"{n} is {x.dtype}" for n, x in both.items() if x.dtype not in DTYPES
    ],
  }
  if found := [f"{what}: {_some(names)}" for what, names in problems.items() if names]:
    raise InputError(f"The tensors in {folder} do not fit its config.json. {'; '.join(found)}.")


def _some(names: list[str], limit: int = 5) -> str:
  more = f" and {len(names) - limit} more" if len(names) > limit else ""
  return ", ".join(names[:limit]) + more
