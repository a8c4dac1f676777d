"""A model's weights as single tokens read them: layer by layer, in the dtype of the computation, with
matrices fused (fuse.py); and stacked again from these."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ftjax import tree
from ftjax.generate.fuse import fuse, give_up, part_of
from ftjax.models import lora
from ftjax.models.adapters import kinds
from ftjax.models.config import ModelConfig
from ftjax.models.quant import base as quant
from ftjax.models.stacked import LAST

TOGETHER = 1 << 26  # bytes of stacks that are cut, or made, at once


class Weights:
  """prepared: the variables of Decoder(scan=False). Norms and positions keep their dtype, since they
  are used in float32.

  What an adapter makes of parameters outside the blocks is worked in here, once. One with magnitudes
  is merged: the lengths of a matrix's columns take as long as a product with it, at every token.
  Into a quantized base nothing can be merged.
  """

  def __init__(
    self, variables: dict, config: ModelConfig, dtype, as_one: bool, release: bool = False
  ):
    """variables: of a stacked Decoder. as_one: with matrices fused. release: `variables` is emptied,
    and a stack is given up as soon as its layers are cut from it, so that memory holds the weights
    once and one stack more; `stacked` has them again."""
    given = tree.flatten(variables)
    changed, worked_in = _worked_in(variables)
    if release:
      variables.clear()
    else:
      given = dict.fromkeys(given)  # The caller has them.
    self._config, self._released, self._cut, self._kept = config, release, {}, {}
    out: dict[str, Any] = {}
    for group in _groups({n: x.nbytes for n, x in worked_in.items()}):
      leaves = {n: changed(n, worked_in.pop(n)) for n in group}
      out |= self._layer_by_layer(leaves, {n: given.pop(n, None) for n in group}, jnp.dtype(dtype))
      del leaves
    self._kept |= {n: x for n, x in given.items() if x is not None}  # adapters, worked in
    self.prepared = tree.unflatten(out)
    del out
    if as_one:
      fuse(config, self.prepared)

  def _layer_by_layer(self, leaves, given, dtype) -> dict[str, jax.Array]:
    """Leaves by name, where stacks were those of their layers; what was given and cannot be had from
    them again is kept."""
    to = {n: x.dtype if _as_it_is(n) else dtype for n, x in leaves.items()}
    stacks = {n: x for n, x in leaves.items() if n.split("/")[1] in ("layers", LAST)}
    for name, x in given.items():
      if x is leaves[name] and x.dtype == to[name] and name.split("/")[1] == "layers":
        self._cut[name] = x.nbytes
      elif x is not None:
        self._kept[name] = x
    out = {
      n: x if x.dtype == to[n] else x.astype(to[n]) for n, x in leaves.items() if n not in stacks
    }
    # Blocked: else stacks wait for their turn to be cut, all in memory.
    pieces = jax.block_until_ready(_layers(list(stacks.values()), tuple(to[n] for n in stacks)))
    for name, layers in zip(stacks, pieces, strict=True):
      collection, stack, *path = name.split("/")
      first = 0 if stack == "layers" else self._config.L - len(layers)
      for l, piece in enumerate(layers, first):
        out["/".join((collection, f"layer_{l}", *path))] = piece
    return out

  def stacked(self, release: bool = False) -> dict:
    """The variables as they were given, which must have been released. release: layers are given up
    as soon as they are stacked, but those of fused matrices; `prepared` is of no use then."""
    if not self._released:
      raise ValueError("these weights are a copy: whoever gave them has the stacks")
    named = dict(self._kept)
    for group in _groups(self._cut):
      pieces = {}
      for name in group:
        collection, _, *path = name.split("/")
        layers = [self.prepared[collection][f"layer_{l}"] for l in range(self._config.L)]
        pieces[name] = [part_of(self._config, x, path) for x in layers]
        if release:
          for layer in layers:
            give_up(layer, path)
      named |= jax.block_until_ready(_stacked(pieces))
    return tree.unflatten(named)


def _worked_in(variables):
  """(what to do with each leaf, the leaves by name with everything else done)."""
  named = tree.flatten(variables)
  if quant.COLLECTION in variables or not any(name.endswith("/magnitude") for name in named):
    return (lambda name, x: x), tree.flatten(kinds.effective(variables))
  params = {n: x for n, x in named.items() if n.startswith("params/")}
  return lora.merger(params, {n: x for n, x in named.items() if n not in params}), params


def _as_it_is(name: str) -> bool:
  return "norm/" in name or name.endswith("embed/positions") or name.startswith(quant.COLLECTION)


def _groups(sizes: Mapping[str, int]) -> Iterator[list[str]]:
  """The names, those of small leaves together: one program for all of them compiles faster."""
  group, total = [], 0
  for name, size in sizes.items():
    if group and total + size > TOGETHER:
      yield group
      group, total = [], 0
    group.append(name)
    total += size
  if group:
    yield group


@partial(jax.jit, static_argnames="dtypes")
def _layers(stacks, dtypes):
  return [[x[l].astype(to) for l in range(len(x))] for x, to in zip(stacks, dtypes, strict=True)]


@jax.jit
def _stacked(layers):
  return {name: jnp.stack(pieces) for name, pieces in layers.items()}
