"""Weights stacked over layers: what differs between the layers of a scan, and the same weights cut in
other ways.

  params/layers/... [L, ...]                                   as they are read and written
  params/layers/... [L - n, ...]  params/last_layers/... [n, ...]  where the last n are trained apart:
                                  two scans, the first of which has no backward pass
  params/layer_0/..., params/layer_1/..., ...                  one by one, for decoding with a cache
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ftjax import tree
from ftjax.models.config import Layer
from ftjax.models.rope import Table

LAST = "last_layers"


def varied(layers: list[Layer]) -> Layer:
  """What differs between layers, as int32 [L] to be scanned; None for what does not."""
  windows, ropes = zip(*layers, strict=True)
  differ = lambda values: len(set(values)) > 1
  numbers = lambda values: jnp.asarray(values, jnp.int32)
  everything = jnp.iinfo(jnp.int32).max
  return Layer(
    numbers([everything if w is None else w for w in windows]) if differ(windows) else None,
    numbers(ropes) if differ(ropes) else None,
  )


def tables(ropes: tuple[Table | None, ...]) -> Table:
  """One table [3, ...] to pick from by index; those that are not there turn nothing."""
  like = next(r for r in ropes if r is not None)
  still = Table(jnp.zeros_like(like.sin), jnp.ones_like(like.cos))
  return jax.tree.map(lambda *x: jnp.stack(x), *(still if r is None else r for r in ropes))


def scans(variables: Mapping[str, Any], layers: int) -> list[tuple[str, slice]]:
  """[(where the weights are, which layers they are of)], in order."""
  last = jax.tree.leaves(variables.get("params", {}).get(LAST, {}))
  n = last[0].shape[0] if last else 0
  parts = [("layers", slice(0, layers - n)), (LAST, slice(layers - n, layers))]
  return [(name, part) for name, part in parts if part.stop > part.start]


def apart(variables: Mapping[str, Any], last: int) -> dict[str, Any]:
  """The same with the last layers under a name of their own."""
  named = {}
  for name, x in tree.flatten(variables).items():
    if not name.startswith("params/layers/") or not last:
      named[name] = x
      continue
    if x.shape[0] > last:
      named[name] = x[:-last]
    named[name.replace("layers", LAST, 1)] = x[-last:]
  return tree.unflatten(named)


def joined(variables: Mapping[str, Any]) -> dict[str, Any]:
  """The inverse of `apart`."""
  named = tree.flatten(variables)
  out = {}
  for name, x in named.items():
    if not name.startswith(f"params/{LAST}/"):
      out.setdefault(name, x)
      continue
    whole = name.replace(LAST, "layers", 1)
    out[whole] = jnp.concatenate([named[whole], x]) if whole in named else x
  return tree.unflatten(out)


def unstack(variables, layers: int):
  """The variables of Decoder(scan=False): params/layers/... [L, ...] becomes params/layer_0/...,
  params/layer_1/....; of an adapter only what the layers read (kinds.effective)."""
  out = {}
  for name, collection in variables.items():
    parts = ("layers", LAST)
    rest = {k: v for k, v in collection.items() if k not in parts}
    each: dict[str, Any] = {}
    for part, which in scans(variables, layers):
      stacked = collection.get(part, {})  # of an adapter there may be none
      for i, l in enumerate(range(which.start, which.stop)):
        each[f"layer_{l}"] = jax.tree.map(lambda x, i=i: x[i], stacked)
    out[name] = rest | each
  return out
