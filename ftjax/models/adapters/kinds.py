"""What can be put on a base: each kind a file, with collections of its own beside "params".

A kind has:
  TRAINED, FROZEN                            its collections, by whether they are trained
  merge(name, leaf, adapter)                 what a parameter is with the adapter merged into it
  part(adapter, index)                       what of a parameter's adapter belongs to parameter[index]
  check_merge(names, adapter)                raises InputError for what no parameter can take
  read_by_layers(path)                       whether the model's own modules read the adapter at this
                                             path, for less work than merging at every step
and then, of the modules that read it,
  inputs(x, leaves)                          what a linear layer multiplies, of its input
  linear(y, x, dropped, kernel, leaves)      what it gives, of y = x W
  outputs(y, leaves)                         ... and in the end, with its bias
  keys(leaves)                               keys and values that attention sees before all others
  virtual(variables)                         (tokens, keys): how many positions before a document's
                                             first token each of these ways takes
  embedded(x, numbers, leaves)               token vectors, with those of such tokens: models/virtual.py
where `adapter` are the leaves of all collections but params, by name, `leaves` those of one layer,
{collection: {...}}, and `variables` all, nested. adapters/plain.py has each of these as it is for a
kind that does nothing there; adapters/folder.py says how kinds are kept in PEFT's folders.
"""

from collections.abc import Mapping
from typing import Any

import jax

from ftjax import tree
from ftjax.models.adapters import ia3, low_rank, norms, prefix, prompt, rows, saved

KINDS = (saved, norms, low_rank, ia3, rows, prompt, prefix)  # in the order in which they are merged
TRAINED = tuple(c for kind in KINDS for c in kind.TRAINED)
COLLECTIONS = TRAINED + tuple(c for kind in KINDS for c in kind.FROZEN)


def split(adapter: Mapping[str, Any]) -> tuple[dict, dict]:
  """(the collections to train, those to keep as they are) of an adapter."""
  mine = {c: x for c, x in adapter.items() if c in TRAINED}
  return mine, {c: x for c, x in adapter.items() if c not in TRAINED}


def on(variables: Mapping[str, Any]) -> bool:
  """Whether there is an adapter beside the params."""
  return any(c in variables for c in COLLECTIONS)


def inputs(x: jax.Array, leaves: Mapping[str, Mapping]) -> jax.Array:
  """What a linear layer multiplies, of its input."""
  for kind in KINDS:
    x = kind.inputs(x, leaves)
  return x


def outputs(y: jax.Array, leaves: Mapping[str, Mapping]) -> jax.Array:
  """What a linear layer gives in the end, of its product with its bias."""
  for kind in KINDS:
    y = kind.outputs(y, leaves)
  return y


def keys(leaves: Mapping[str, Mapping]) -> tuple[jax.Array, jax.Array] | None:
  """(keys, values) [P, K, H] that a layer's attention sees before all others, or None."""
  return next((own for kind in KINDS if (own := kind.keys(leaves)) is not None), None)


def virtual(variables: Mapping[str, Any]) -> tuple[int, int]:
  """How many virtual tokens stand before every document, as (tokens, keys): see models/virtual.py."""
  tokens, own = zip(*(kind.virtual(variables) for kind in KINDS), strict=True)
  return sum(tokens), sum(own)


def embedded(x_BTD: jax.Array, numbers_BT: jax.Array, leaves: Mapping[str, Mapping]) -> jax.Array:
  """Token vectors, with those of virtual tokens, which numbers from 0 on stand for."""
  for kind in KINDS:
    x_BTD = kind.embedded(x_BTD, numbers_BT, leaves)
  return x_BTD


def check_merge(names, adapter: Mapping[str, jax.Array]) -> None:
  """Raises InputError for what none of the parameters `names` can take."""
  for kind in KINDS:
    kind.check_merge(names, adapter)


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
