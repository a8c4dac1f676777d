"""Full copies of parameters that stand in for the base's: PEFT's modules_to_save, and biases.

saved/PATH   shaped like params/PATH
"""

import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ftjax.config import InputError
from ftjax.models.adapters import norms
from ftjax.models.adapters.folder import Reader, Writer
from ftjax.models.adapters.plain import check_merge as check_merge
from ftjax.models.adapters.plain import embedded as embedded
from ftjax.models.adapters.plain import inputs as inputs
from ftjax.models.adapters.plain import keys as keys
from ftjax.models.adapters.plain import linear as linear
from ftjax.models.adapters.plain import outputs as outputs
from ftjax.models.adapters.plain import virtual as virtual
from ftjax.models.config import Weight
from ftjax.models.tensors import hf_shape, our_shape, places_of, to_ours, to_theirs

TRAINED, FROZEN = ("saved",), ()


def read_by_layers(path: str) -> bool:
  """Never: whoever reads a parameter gets another."""
  return False


def merge(name: str, leaf: jax.Array, adapter: Mapping[str, jax.Array]) -> jax.Array:
  """The copy where there is one."""
  return adapter.get(name.replace("params/", "saved/", 1), leaf)


def part(adapter: Mapping[str, jax.Array], index: tuple[int | slice, ...]) -> dict[str, jax.Array]:
  """What of a leaf's adapter belongs to leaf[index]."""
  return {n: x[index] for n, x in adapter.items()}


def read(r: Reader) -> dict[str, Any]:
  """Every full copy in a PEFT folder, whatever asked for it: modules_to_save, bias, a token table of
  another size. Layers that have none keep the base's."""
  named = {}
  for weight in r.table:
    places, found = places_of(weight, r.config), []
    for name, place in places.items():
      for key in _spellings(name):
        if key in r.left:
          found.append((place, key, r.left.pop(key)))
    if not found:
      continue
    wanted = hf_shape(weight, r.config)
    if wrong := [key for _, key, x in found if x.shape != wanted]:
      raise InputError(f"{r.folder} is for another base: {wrong[0]} here is {wanted}.")
    parts = [(place, to_ours(x, weight, r.config)) for place, _, x in found]
    if len(parts) == len(places):
      leaf = np.empty(our_shape(weight, r.config), np.float32)
      for place, x in parts:
        leaf[place] = x
    else:
      leaf = jnp.asarray(r.base(f"params/{weight.path}"), jnp.float32)
      for place, x in parts:
        leaf = leaf.at[place].set(x.astype(np.float32))
    if not all(_of_base(key) for _, key, _ in found) or _differs(leaf, r, weight):
      named[f"saved/{weight.path}"] = leaf
  return named


def _spellings(name: str) -> list[str]:
  """Under what names PEFT keeps a parameter: beside a pair, or beside rows, it is a base_layer's."""
  module, _, last = name.rpartition(".")
  return [name, f"{module}.base_layer.{last}", f"{module}.token_adapter.base_layer.{last}"]


def _of_base(key: str) -> bool:
  """Whether this is the copy of the base's own table that PEFT keeps beside a pair, or rows, on it."""
  return key.endswith(".base_layer.weight")


def _differs(leaf, r: Reader, weight: Weight) -> bool:
  base = r.base(f"params/{weight.path}")
  return not jnp.array_equal(jnp.asarray(leaf, base.dtype), base)


def write(w: Writer) -> None:
  """Adds the copies: under base_layer beside a pair, alone for biases, else as modules_to_save, which
  are whole modules: what is not copied of those comes from the base. Norms alone are a kind of
  their own (adapters/norms.py)."""
  if norms.alone(w.adapter):
    return
  modules: dict[str, list[Weight]] = {}
  for weight in w.table:
    modules.setdefault(weight.hf_name.rpartition(".")[0], []).append(weight)
  whole, biases = set(), set()
  for weights in modules.values():
    mine = [x for x in weights if f"saved/{x.path}" in w.adapter]
    alone = all(x.path.endswith("/bias") for x in mine)
    for weight in mine if alone else weights:
      for name, place in places_of(weight, w.config).items():
        module, _, last = name.rpartition(".")
        paired = _paired(w, weight, place)
        if weight in mine or not paired:
          copy = w.adapter.get(f"saved/{weight.path}")
          leaf = np.asarray(w.base(f"params/{weight.path}") if copy is None else copy)
          tensor = np.ascontiguousarray(to_theirs(leaf[place], weight, w.config))
          w.tensors[f"{module}.base_layer.{last}" if paired else name] = tensor
          if not (paired or alone):
            whole.add(module)
          elif weight.path.endswith("/bias"):
            biases.add("lora_only" if paired else "all")
  if whole:
    w.settings["modules_to_save"] = sorted(whole)
  if biases:
    w.settings["bias"] = min(biases)


def _paired(w: Writer, weight: Weight, place: tuple[int | slice, ...]) -> bool:
  """Whether a low-rank pair is on the weight's module, in this layer."""
  scale = w.adapter.get(f"lora_scale/{re.sub('/(kernel|bias)$', '', weight.path)}/scale")
  return scale is not None and bool(scale[place[: scale.ndim]] != 0)
