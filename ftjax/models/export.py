"""Writing checkpoint folders as transformers writes them: names, dtypes, shards, and the files that
go along."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ftjax import storage, tree
from ftjax.models import tensors as tensors_io
from ftjax.models.adapters import kinds
from ftjax.models.config import ModelConfig, Weight
from ftjax.models.tensors import INDEX, SINGLE, names_of, to_theirs

SHARD_BYTES = 5 * 10**9  # transformers' own default is of this order
CARRIED = ("generation_config.json", "LICENSE*", "NOTICE*", "USE_POLICY*")


def write(
  folder: str | Path,
  variables,
  config: ModelConfig,
  table: list[Weight],
  hf_config: dict[str, Any],
  source: Path | None = None,
  shard_bytes: int = SHARD_BYTES,
) -> None:
  """Writes variables["params"] as a Hugging Face folder, all of it or nothing.

  source: a folder whose generation config and licence are carried along. Tensors keep their dtype,
  which config.json then names. Adapters are not merged here: see lora.merge.
  """
  if kinds.on(variables):
    raise ValueError(
      "an adapter would be lost here: merge it first (lora.merge), or use lora.write"
    )
  folder = Path(folder)
  named = tree.flatten(variables["params"])
  dtype = str(next(iter(named.values())).dtype)
  with storage.atomic_path(folder) as temporary:
    temporary.mkdir(parents=True)
    _write_shards(temporary, _tensors(named, config, table), shard_bytes)
    written = {k: v for k, v in hf_config.items() if k != "torch_dtype"} | {"dtype": dtype}
    (temporary / "config.json").write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    for pattern in CARRIED:
      for path in source.glob(pattern) if source else ():
        shutil.copy(path, temporary / path.name)


def _tensors(named, config, table) -> Iterator[tuple[str, np.ndarray]]:
  """The checkpoint's tensors one at a time, in a steady order."""
  for weight in table:
    leaf = named[weight.path]
    for l, name in enumerate(names_of(weight, config)):
      ours = np.asarray(leaf[l] if weight.stacked else leaf)
      yield name, np.ascontiguousarray(to_theirs(ours, weight, config))


def _write_shards(
  folder: Path, tensors: Iterator[tuple[str, np.ndarray]], shard_bytes: int
) -> None:
  """One file, or numbered shards and an index where they exceed `shard_bytes`; one shard is in
  memory at a time."""
  names: list[list[str]] = []
  shard: dict[str, np.ndarray] = {}
  total = held = 0

  def flush():
    tensors_io.save(shard, folder / f"model-{len(names) + 1:05d}.part")
    names.append(list(shard))
    shard.clear()

  for name, tensor in tensors:
    if shard and held + tensor.nbytes > shard_bytes:
      flush()
      held = 0
    shard[name] = tensor
    held += tensor.nbytes
    total += tensor.nbytes
  flush()
  if len(names) == 1:
    (folder / "model-00001.part").rename(folder / SINGLE)
    return
  where = {}
  for i, some in enumerate(names, 1):
    final = f"model-{i:05d}-of-{len(names):05d}.safetensors"
    (folder / f"model-{i:05d}.part").rename(folder / final)
    where |= {name: final for name in some}
  index = {
    "metadata": {"total_size": total},
    "weight_map": dict(sorted(where.items(), key=_natural)),
  }
  (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _natural(item):
  return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", item[0])]
