"""What can be put on a base: each kind a file, with collections of its own beside "params".

A kind has:
  TRAINED, FROZEN                            its collections, by whether they are trained
  merge(name, leaf, adapter)                 what a parameter is with the adapter merged into it
  part(adapter, index)                       what of a parameter's adapter belongs to parameter[index]
  read_by_layers(path)                       whether a linear layer reads the adapter at this path by
                                             itself, for less work than merging at every step
  linear(y, x, dropped, kernel, leaves)      what that layer gives then
where `adapter` are the leaves of all collections but params, by name, and `leaves` those of one
layer, {collection: {...}}. adapters/folder.py says how kinds are kept in PEFT's folders.
"""

from collections.abc import Mapping
from typing import Any

import jax

from ftjax import tree
from ftjax.models.adapters import low_rank, rows, saved

KINDS = (saved, low_rank, rows)  # in the order in which they are merged
TRAINED = tuple(c for kind in KINDS for c in kind.TRAINED)
COLLECTIONS = TRAINED + tuple(c for kind in KINDS for c in kind.FROZEN)


def split(adapter: Mapping[str, Any]) -> tuple[dict, dict]:
  """(the collections to train, those to keep as they are) of an adapter."""
  mine = {c: x for c, x in adapter.items() if c in TRAINED}
  return mine, {c: x for c, x in adapter.items() if c not in TRAINED}


def on(variables: Mapping[str, Any]) -> bool:
  """Whether there is an adapter beside the params."""
  return any(c in variables for c in COLLECTIONS)


def linear(y: jax.Array, x, dropped, kernel, leaves: Mapping[str, Mapping]) -> jax.Array:
  """What a linear layer gives with its adapters, of y = contract(x, kernel). dropped: x after
  dropout, or x itself."""
  for kind in KINDS:
    y = kind.linear(y, x, dropped, kernel, leaves)
  return y


def merge_leaf(name: str, leaf: jax.Array, adapter: Mapping[str, jax.Array]) -> jax.Array:
  """One leaf of params with all that `adapter` (leaves by name) has for it."""
  for kind in KINDS:
    leaf = kind.merge(name, leaf, adapter)
  return leaf


def of_leaf(name: str, adapter: Mapping[str, Any]) -> dict[str, Any]:
  """What of an adapter may concern this leaf of params, by the paths."""
  path = name.removeprefix("params/").removesuffix("/kernel").removesuffix("/bias")
  return {n: x for n, x in adapter.items() if n.split("/", 1)[1].startswith(path + "/")
          or n.split("/", 1)[1] == name.removeprefix("params/")}  # fmt: skip


def part(adapter: Mapping[str, jax.Array], index: tuple[int | slice, ...]) -> dict[str, jax.Array]:
  """What of the adapter of one leaf belongs to leaf[index]."""
  found = {}
  for kind in KINDS:
    mine = {n: x for n, x in adapter.items() if n.split("/", 1)[0] in kind.TRAINED + kind.FROZEN}
    found |= kind.part(mine, index)
  return found


def effective(variables: Mapping[str, Any]) -> Mapping[str, Any]:
  """The variables that the decoder's modules read: params with all that is worked into them, and
  beside them what the layers read themselves.

  Differentiable, and nothing where there is nothing to do.
  """
  named = tree.flatten({c: x for c, x in variables.items() if c in COLLECTIONS})
  inside = {n: x for n, x in named.items() if _in_layers(n)}
  outside = {n: x for n, x in named.items() if n not in inside}
  if not outside:
    return variables
  params = tree.flatten({"params": variables["params"]})
  for name in outside:
    if name.startswith("saved/") and name.replace("saved/", "params/", 1) not in params:
      raise ValueError(f"{name} stands in for no parameter")
  merged = {name: merge_leaf(name, leaf, outside) for name, leaf in params.items()}
  rest = {c: x for c, x in variables.items() if c not in ("params", *COLLECTIONS)}
  return rest | tree.unflatten(merged | inside)


def _in_layers(name: str) -> bool:
  collection, path = name.split("/", 1)
  kind = next(k for k in KINDS if collection in k.TRAINED + k.FROZEN)
  return kind.read_by_layers(path)
