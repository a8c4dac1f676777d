"""A model's weights as single tokens read them: layer by layer, in the dtype of the computation, with
matrices fused (fuse.py); and stacked again from these."""

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
    out: dict[str, Any] = {}
    self._config, self._cut, self._kept = config, [], {}
    while worked_in:
      name, x = worked_in.popitem()
      before, x = given.pop(name, None), changed(name, x)
      collection, stack, *path = name.split("/")
      to = x.dtype if _as_it_is(name) else dtype
      if stack not in ("layers", LAST):
        out[name] = x if x.dtype == to else x.astype(to)
      else:
        first = 0 if stack == "layers" else config.L - len(x)
        for l, piece in enumerate(_layers(x, to), first):
          out["/".join((collection, f"layer_{l}", *path))] = piece
        if before is x and x.dtype == to and stack == "layers":
          self._cut.append(name)
          jax.block_until_ready(piece)  # Else stacks wait for their turn to be cut, all in memory.
          before = None
      if before is not None:
        self._kept[name] = before
      del before, x
    self._kept |= {n: x for n, x in given.items() if x is not None}  # adapters, worked in
    self._released, self.prepared = release, tree.unflatten(out)
    del out
    if as_one:
      fuse(config, self.prepared)

  def stacked(self, release: bool = False) -> dict:
    """The variables as they were given, which must have been released. release: layers are given up
    as soon as they are stacked, but those of fused matrices; `prepared` is of no use then."""
    if not self._released:
      raise ValueError("these weights are a copy: whoever gave them has the stacks")
    named = dict(self._kept)
    for name in self._cut:
      collection, _, *path = name.split("/")
      layers = [self.prepared[collection][f"layer_{l}"] for l in range(self._config.L)]
      pieces = [part_of(self._config, x, path) for x in layers]
      named[name] = jax.block_until_ready(jnp.stack(pieces))
      if release:
        for layer in layers:
          give_up(layer, path)
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


@partial(jax.jit, static_argnames="dtype")
def _layers(x, dtype):
  return [x[l].astype(dtype) for l in range(len(x))]
