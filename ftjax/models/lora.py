"""Adapters (Hu et al. 2021 and what grew from it) as the rest of the house sees them: new ones, PEFT's
folders, and bases with adapters merged into them. See adapters/kinds.py for what there can be."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ftjax import tree
from ftjax.config import InputError, positive
from ftjax.models import export, hf, peft, vocabulary
from ftjax.models.adapters import kinds, low_rank, rows
from ftjax.models.adapters.kinds import on, split
from ftjax.models.adapters.settings import SETTINGS
from ftjax.models.config import ModelConfig, Weight
from ftjax.models.hf import Checkpoint
from ftjax.models.peft import WEIGHTS, base_for, open_folder, settings, write
from ftjax.models.targets import Target, choose, linear_layers
from ftjax.models.tensors import places_of, to_ours
from ftjax.parallel import distributed

__all__ = [
  "SETTINGS", "WEIGHTS", "Target", "base_for", "choose", "init", "init_rows", "lazily_merged",
  "linear_layers", "merge", "merger", "on", "open_folder", "read", "settings", "split", "write",
]  # fmt: skip


def init(
  key: jax.Array,
  config: ModelConfig,
  targets: dict[str, Target],
  *,
  rank: int,
  alpha: float,
  rslora: bool = False,
  dora: Mapping[str, Any] | None = None,
  dtype=jnp.float32,
):
  """A new adapter, which is the identity: {"lora", "lora_scale"}.

  `a` is uniform in +-1/sqrt(inputs) and `b` zero; on a token table `a` is zero and `b` normal, as in
  PEFT. The scale is alpha / rank, or alpha / sqrt(rank) where `rslora`. dora: the base's params, by
  whose columns' lengths the magnitudes begin.
  """
  positive(rank, "adapter.rank")
  shapes = {}
  for path, t in targets.items():
    lead, r = t.shape_lead, rank * t.sides
    shapes[path] = (*lead, *t.shape_in, r), (*lead, r, *t.shape_out), lead[:1]
  if dora is not None and (experts := sorted(t.module for t in targets.values() if t.parameter)):
    raise InputError(
      f"adapter.dora=True with adapters on experts ({experts[0]}): like PEFT, ftjax has none there. "
      "Set adapter.dora=False, or leave experts and router out of adapter.targets."
    )
  drawn = [math.prod(shapes[path][t.table]) for path, t in targets.items()]
  ends = np.cumsum([0, *drawn])
  draw = jax.random.uniform(key, (int(ends[-1]),), minval=-1, maxval=1)  # one draw: one compilation
  named = {}
  for (path, t), start, end in zip(targets.items(), ends, ends[1:], strict=False):
    (inputs, outputs), (a, b, layers) = t.shape, shapes[path]
    if rank > min(inputs, outputs):
      raise InputError(
        f"adapter.rank={rank} is above the size of {t.module}, which is {inputs} x {outputs}."
      )
    if t.table:  # The normal distribution's inverse makes normal numbers of uniform ones.
      named[f"lora/{path}/a"] = jnp.zeros(a, dtype)
      normal = 2**0.5 * jax.lax.erf_inv(draw[start:end]).reshape(b)
      named[f"lora/{path}/b"] = normal.astype(dtype)
    else:
      named[f"lora/{path}/a"] = (draw[start:end].reshape(a) / inputs**0.5).astype(dtype)
      named[f"lora/{path}/b"] = jnp.zeros(b, dtype)
    if dora is not None:
      kernel = tree.flatten(dora)["params/" + t.weight.path]
      length = low_rank.lengths(kernel, len(t.shape_in), t.weight.stacked)
      named[f"lora/{path}/magnitude"] = length.astype(dtype)
    scale = alpha / (rank**0.5 if rslora else rank)
    named[f"lora_scale/{path}/scale"] = jnp.full(layers, scale, jnp.float32)
  return tree.unflatten(named)


def init_rows(ids, params):
  """Rows of their own for these tokens, as they are in `params`: {"rows", "row_ids"}."""
  return tree.unflatten(rows.init(ids, tree.flatten(params)))


def read(folder: str | Path | peft.Folder, checkpoint: Checkpoint, params=None, dtype=jnp.float32):
  """The collections of a PEFT folder, for base_for's checkpoint.

  params: its {"params": ...}; without them, the few leaves that may be needed are read from its
  files. Raises InputError for what does not fit.
  """
  if params is not None:
    named = tree.flatten(params)
    return peft.read(folder, checkpoint, lambda n: distributed.whole(named[n]), dtype)

  def base(name: str) -> jax.Array:
    stored = vocabulary.as_stored(checkpoint)
    table = [w for w in stored.table if "params/" + w.path == name]
    (leaf,) = jax.tree.leaves(hf.read(dataclasses.replace(stored, table=table), jnp.float32))
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
  merges and converts one tensor at a time, so that no model is ever in memory."""
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
  low_rank.check_merge(names, adapter)
  merged = jax.jit(kinds.merge_leaf, static_argnums=0)

  def merge(name: str, leaf: jax.Array, index: tuple[int | slice, ...] = ()) -> jax.Array:
    mine = kinds.part(kinds.of_leaf(name, adapter), index)
    return merged(name, leaf, mine).astype(leaf.dtype) if mine else leaf

  return merge
