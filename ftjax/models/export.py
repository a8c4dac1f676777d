"""Writing checkpoint folders as transformers writes them: names, dtypes, shards, and the files that
go along."""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from ftjax import storage, tree
from ftjax.models.adapters import kinds
from ftjax.models.carried import CARRIED, files_of
from ftjax.models.carried import LEGAL as LEGAL
from ftjax.models.carried import TOKENIZER as TOKENIZER
from ftjax.models.config import ModelConfig, Weight
from ftjax.models.formats import safetensors
from ftjax.models.tensors import ALL, hf_shape, places_of, read_json, to_theirs

SHARD_BYTES = 5 * 10**9  # as transformers 4 and huggingface_hub; transformers 5 has 50 GB


@dataclass(frozen=True)
class Lazy:
  """A leaf that `write` asks for one tensor at a time, so that it need never be there as a whole.

  get: fn(index) -> that tensor in our layout, as numpy's or jax's array, sharded or not; what
  leaf[index] would be of an array. index is (layer,), (layer, expert), or () for a leaf that is one
  tensor; where the checkpoint spreads a later dim over tensors as well, whole dims before it are
  slices: (layer, slice(None), 0). Each tensor is asked for once, layer by layer, by every process in
  the same order, and let go before the next one.
  dtype: of the tensors.
  """

  dtype: Any
  get: Callable[[tuple[int | slice, ...]], Any]

  def __getitem__(self, index: tuple[int | slice, ...]) -> Any:
    return self.get(index)


class _Tensor(NamedTuple):
  """A tensor to be written: its name and form over there, and where it comes from here."""

  name: str
  shape: tuple[int, ...]
  dtype: np.dtype
  weight: Weight
  index: tuple[int | slice, ...]

  @property
  def nbytes(self) -> int:
    return int(np.prod(self.shape)) * self.dtype.itemsize


def write(
  folder: str | Path,
  variables: Mapping[str, Any],
  config: ModelConfig,
  table: list[Weight],
  hf_config: dict[str, Any],
  source: Path | None = None,
  shard_bytes: int = SHARD_BYTES,
  *,
  dtypes: Mapping[str, Any] | Any = None,
  carried: tuple[str, ...] = CARRIED,
  stem: str = safetensors.STEM,
  ends: Sequence[int] = (),
) -> None:
  """Writes the leaves that `table` names as a Hugging Face folder, all of it or nothing.

  A leaf is an array, or a Lazy, which is how a caller changes weights on their way out (merges an
  adapter, say) tensor by tensor. The host holds one tensor at a time. Of several processes all must
  call this, since all take part in gathering what is sharded; process 0 writes, and the others
  return when nothing more is asked of them.

  source: a folder whose files of the patterns `carried` go along: generation config, licence and
  tokenizer. Give LEGAL where another tokenizer is written beside the weights. shard_bytes: the most
  in a file, unless one tensor is larger. dtypes: one for all tensors, or one for each of the
  checkpoint's names (hf.dtypes(checkpoint): those it came with); else each keeps its leaf's.
  config.json names the one that most bytes have. stem: what the files of weights are called.
  ends: the ids that end a text, which config.json and generation_config.json then name; () leaves
  both as they are. Adapters are not merged here.
  """
  if kinds.on(variables):
    raise ValueError(
      "an adapter would be lost here: merge it first (lora.merge), or use lora.write"
    )
  named = tree.flatten(variables)
  shards = _shards(_plan(named, config, table, dtypes), shard_bytes, stem)
  if jax.process_index():
    for tensor in (t for shard in shards.values() for t in shard):
      _fetch(named[tensor.weight.name], tensor.index)
    return
  with storage.atomic_path(folder) as temporary:
    temporary.mkdir(parents=True)
    for file, shard in shards.items():
      safetensors.write(temporary / file, shard, _tensors(shard, named, config))
    if len(shards) > 1:
      index = f"{stem}.safetensors.index.json"
      _write_json(temporary / index, _index(shards), sort_keys=True)
    kept = {k: v for k, v in hf_config.items() if k != "torch_dtype"}
    dtype = _usual(t for shard in shards.values() for t in shard)
    _write_json(temporary / "config.json", with_ends(kept | {"dtype": dtype}, ends))
    for path in files_of(source, carried) if source else ():
      to = temporary / path.relative_to(source)
      to.parent.mkdir(exist_ok=True)
      shutil.copyfile(path, to)
    write_ends(temporary, hf_config, ends)


def with_ends(settings: Mapping[str, Any], ends: Sequence[int]) -> dict[str, Any]:
  """config.json or generation_config.json with these ids as those that end a text."""
  old = settings.get("eos_token_id")
  same = set(old if isinstance(old, list) else [old]) == set(ends)
  if not ends or same:
    return dict(settings)
  return {**settings, "eos_token_id": ends[0] if len(ends) == 1 else list(ends)}


def write_ends(folder: Path, hf_config: Mapping[str, Any], ends: Sequence[int]) -> None:
  """Writes the ids that end a text into generation_config.json; a folder without one gets one, from what
  config.json says."""
  if not ends:
    return
  path = folder / "generation_config.json"
  usual = {
    k: hf_config[k] for k in ("bos_token_id", "pad_token_id") if hf_config.get(k) is not None
  }
  _write_json(path, with_ends(read_json(path) if path.is_file() else usual, ends))


def _plan(named, config, table, dtypes) -> list[_Tensor]:
  """Every tensor of the checkpoint, layer after layer."""
  found = []
  for weight in table:
    shape, own = hf_shape(weight, config), named[weight.name].dtype
    for name, place in places_of(weight, config).items():
      dtype = dtypes[name] if isinstance(dtypes, Mapping) else own if dtypes is None else dtypes
      found.append(_Tensor(name, shape, np.dtype(dtype), weight, index_of(place)))
  return sorted(found, key=lambda t: _natural(t.name))


def index_of(place: tuple[int | slice, ...]) -> tuple[int | slice, ...]:
  """A place without the whole dims at its end: what a Lazy is asked for."""
  last = max((d + 1 for d, i in enumerate(place) if i != ALL), default=0)
  return place[:last]


def _shards(plan: list[_Tensor], shard_bytes: int, stem: str) -> dict[str, list[_Tensor]]:
  """{file: its tensors}, filled in order as huggingface_hub does; one file has a name of its own."""
  shards: list[list[_Tensor]] = [[]]
  held = 0
  for tensor in plan:
    if shards[-1] and held + tensor.nbytes > shard_bytes:
      shards.append([])
      held = 0
    shards[-1].append(tensor)
    held += tensor.nbytes
  n = len(shards)
  numbered = lambda i: f"{stem}-{i:05d}-of-{n:05d}.safetensors"
  names = [f"{stem}.safetensors"] if n == 1 else [numbered(i + 1) for i in range(n)]
  return dict(zip(names, shards, strict=True))


def _tensors(shard: list[_Tensor], named, config) -> Iterator[np.ndarray]:
  """The tensors of a shard one at a time, in the checkpoint's layout."""
  ours = lambda t: _fetch(named[t.weight.name], t.index).astype(t.dtype, copy=False)
  for tensor in shard:
    yield to_theirs(ours(tensor), tensor.weight, config)


def _fetch(leaf, index: tuple[int | slice, ...]) -> np.ndarray:
  """One tensor on the host, gathered from all processes where it is sharded over them."""
  if isinstance(leaf, jax.Array) and not index:
    # A new array: numpy's copy of a sharded one is kept for as long as the array itself.
    shards = [s.data for s in leaf.addressable_shards]
    leaf = jax.make_array_from_single_device_arrays(leaf.shape, leaf.sharding, shards)
  tensor = leaf[index] if index or isinstance(leaf, Lazy) else leaf
  if isinstance(tensor, jax.Array) and not tensor.is_fully_addressable:
    return multihost_utils.process_allgather(tensor, tiled=True)
  return np.asarray(tensor)


def _index(shards: dict[str, list[_Tensor]]) -> dict[str, Any]:
  every = [t for shard in shards.values() for t in shard]
  total = {"total_size": sum(t.nbytes for t in every)}
  if not any(t.weight.dtype for t in every):  # Packed ones do not say how many there were.
    total["total_parameters"] = sum(int(np.prod(t.shape)) for t in every)
  where = {t.name: file for file, shard in shards.items() for t in shard}
  return {"metadata": total, "weight_map": where}


def _usual(tensors) -> str:
  """The dtype that most bytes have, of what is not quantized."""
  total: dict[str, int] = {}
  for t in (t for t in tensors if not t.weight.dtype):
    total[str(t.dtype)] = total.get(str(t.dtype), 0) + t.nbytes
  return max(total, key=total.__getitem__)


def _write_json(path: Path, content: dict[str, Any], **kwargs) -> None:
  path.write_text(json.dumps(content, indent=2, **kwargs) + "\n", encoding="utf-8")


def _natural(name: str) -> list[Any]:
  return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
