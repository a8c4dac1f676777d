"""Adapters (Hu et al. 2021 and what grew from it) as the rest of the house sees them: new ones, PEFT's
folders, and bases with adapters merged into them. See adapters/kinds.py for what there can be."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ftjax import tree
from ftjax.config import InputError
from ftjax.models import export, hf, peft, vocabulary
from ftjax.models.adapters import kinds, norms, pairs, rows, several
from ftjax.models.adapters.kinds import on, split
from ftjax.models.adapters.pairs import BEGINNINGS
from ftjax.models.adapters.pairs import parse as parse_patterns
from ftjax.models.adapters.settings import SETTINGS
from ftjax.models.config import ModelConfig, Weight
from ftjax.models.hf import Checkpoint
from ftjax.models.peft import WEIGHTS, Folder, settings, write
from ftjax.models.quant import base as quant
from ftjax.models.targets import Target, adaptable, choose, linear_layers
from ftjax.models.tensors import our_shape, places_of, to_ours
from ftjax.parallel import distributed

__all__ = [
  "BEGINNINGS", "SETTINGS", "WEIGHTS", "Target", "base_for", "check_kind", "choose", "init", "init_rows", "lazily_merged",
  "linear_layers", "merge", "merger", "on", "open_folder", "parse_patterns", "read", "settings", "split", "virtual_tokens",
  "write",
]  # fmt: skip

Folders = Folder | tuple[several.Part, ...]  # an opened adapter, or several with weights


def init(
  key: jax.Array,
  config: ModelConfig,
  targets: dict[str, Target],
  *,
  rank: int,
  alpha: float,
  rslora: bool = False,
  dora: Mapping[str, Any] | None = None,
  patterns: str = "",
  begin: str = "default",
  base: Mapping[str, Any] | None = None,
  dtype=jnp.float32,
):
  """A new adapter of low-rank pairs, which is the identity: {"lora", "lora_scale", ...}.

  The scale is alpha / rank, or alpha / sqrt(rank) where `rslora`. patterns: ranks and alphas of
  some layers (pairs.sizes). begin: pairs.BEGINNINGS. dora: the base's params, by whose columns'
  lengths the magnitudes begin; base: these params, for beginnings that come from them.
  """
  params = dora if dora is not None else base or {}
  kernel = lambda t: quant.leaf(
    params, "params/" + t.weight.path, t.shape_lead + t.shape_in + t.shape_out
  )
  named = pairs.init(
    key, targets, pairs.sizes(config, targets, rank, alpha, patterns),
    rslora=rslora, begin=begin, kernel=kernel, dora=dora is not None, dtype=dtype,
  )  # fmt: skip
  return tree.unflatten(named)


def init_rows(ids, params):
  """Rows of their own for these tokens, as they are in `params`: {"rows", "row_ids"}."""
  return tree.unflatten(rows.init(ids, tree.flatten(params)))


def open_folder(text: str | Path) -> Folders:
  """The PEFT folder, or of "A@0.7, B@0.3" all of them with their weights. Hub ids are looked up.

  Raises InputError for what is no adapter, and for what would change the result and is not
  supported.
  """
  return several.opened(text, peft.open_folder, lambda name: hf.resolve(str(name)))


def base_for(found: Folders, checkpoint: Checkpoint) -> Checkpoint:
  """The checkpoint as the adapter wants it (all of several): see peft.base_for."""
  for folder in [part.folder for part in found] if isinstance(found, tuple) else [found]:
    checkpoint = peft.base_for(folder, checkpoint)
  return checkpoint


def virtual_tokens(found: Folders) -> int:
  """How many virtual tokens an opened adapter has."""
  return 0 if isinstance(found, tuple) else found.settings.get("num_virtual_tokens") or 0


def kind_named(source: str) -> str:
  """The adapter.kind of a folder, as its settings say; "lora" where there are none to read here."""
  hf = peft.settings(Path(several.named(source)[0][0]).expanduser()) or {}
  kinds = {
    "LORA": "lora",
    "IA3": "ia3",
    "PROMPT_TUNING": "prompt",
    "PREFIX_TUNING": "prefix",
    "LN_TUNING": "norms",
  }
  return kinds.get(hf.get("peft_type"), "lora")


def check_kind(kind: str, adapter, source: str) -> None:
  """Raises InputError for an adapter that is of another kind than adapter.kind says."""
  names = tree.flatten(adapter)
  own = next((c for c in ("ia3", "prompt", "prefix") if c in adapter), "lora")
  own = "norms" if norms.alone(names) else own
  if own != kind:
    raise InputError(f"adapter.source={source!r} is of adapter.kind={own}, not {kind}: say so.")


def read(
  folder: str | Path | Folders, checkpoint: Checkpoint, params=None, dtype=jnp.float32
) -> dict[str, Any]:
  """The collections of a PEFT folder (or of several, added), for base_for's checkpoint.

  params: its {"params": ...}; without them, the few leaves that may be needed are read from its
  files. Raises InputError for what does not fit.
  """
  folder = open_folder(folder) if isinstance(folder, str | Path) else folder
  if isinstance(folder, tuple):
    parts = [(tree.flatten(read(x, checkpoint, params, dtype)), weight) for x, weight in folder]
    every = adaptable(checkpoint.config, checkpoint.table)
    return tree.unflatten(several.combined(parts, every))
  if params is not None:
    named = tree.flatten(params)
    return peft.read(folder, checkpoint, lambda n: distributed.whole(named[n]), dtype)

  def base(name: str) -> jax.Array:
    stored = vocabulary.as_stored(checkpoint)
    (weight,) = (w for w in stored.table if w.name == name)
    found = hf.read(dataclasses.replace(stored, table=[weight]), jnp.float32)
    leaf = quant.leaf(found, name, our_shape(weight, stored.config))
    return vocabulary.grow(checkpoint, name, leaf)

  return peft.read(folder, checkpoint, base, dtype)


def merge(variables) -> dict[str, Any]:
  """{"params": ...} with everything merged in, each leaf summed in float32 and kept in its dtype.

  Raises InputError for an adapter that no parameters can express.
  """
  named = tree.flatten(variables)
  params = {n: x for n, x in named.items() if n.startswith("params/")}
  merged = merger(params, {n: x for n, x in named.items() if n not in params})
  return tree.unflatten({n: merged(n, x) for n, x in params.items()})


def lazily_merged(checkpoint: Checkpoint, adapter, dtype) -> dict[str, Any]:
  """The same for a checkpoint whose weights have not been read: leaves that export.write reads,
  merges and converts one tensor at a time, so that no model is ever in memory. Raises InputError for a
  checkpoint whose kernels are quantized."""
  checkpoint.need_full("merging into it or exporting it")
  names = ["params/" + w.path for w in checkpoint.table]
  merged = merger(names, tree.flatten(adapter))
  return {"params": tree.unflatten({
    w.path: export.Lazy(np.dtype(dtype), functools.partial(_merged, checkpoint, w, merged, dtype))
    for w in checkpoint.table
  })}  # fmt: skip


def _merged(checkpoint: Checkpoint, weight: Weight, merged, dtype, index: tuple[int | slice, ...]):
  stored = vocabulary.as_stored(checkpoint)
  places = places_of(weight, stored.config).items()
  name = next(n for n, place in places if place[: len(index)] == index)
  tensor = stored.stored[name].read(tuple((0, n) for n in stored.stored[name].shape))
  ours = jnp.asarray(to_ours(tensor, weight, stored.config), jnp.float32)
  grown = vocabulary.grow(checkpoint, "params/" + weight.path, ours)
  return merged("params/" + weight.path, grown, index).astype(dtype)


def merger(names, adapter: Mapping[str, jax.Array]) -> Callable[..., jax.Array]:
  """fn(name, leaf, index=()) -> that leaf of params with `adapter` (leaves by name) merged into it,
  in its dtype; or the part leaf[index] of one that is stacked.

  names: of all leaves that the base has, none of which needs another one for it.
  """
  kinds.check_merge(names, adapter)
  merged = jax.jit(kinds.merge_leaf, static_argnums=0)

  def merge(name: str, leaf: jax.Array, index: tuple[int | slice, ...] = ()) -> jax.Array:
    mine = kinds.part(kinds.of_leaf(name, adapter), index)
    return merged(name, leaf, mine).astype(leaf.dtype) if mine else leaf

  return merge
