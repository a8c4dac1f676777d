"""LayerNorm tuning (Zhao et al. 2023): norms are trained, all else is as it was.

Their copies are those of adapters/saved.py; here is how PEFT keeps them when there is nothing else
(LN_TUNING): whole modules, under ln_tuning_layers. Reference: peft/tuners/ln_tuning/layer.py.
"""

import re
from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from ftjax.config import InputError
from ftjax.models.adapters.folder import Reader, Writer
from ftjax.models.adapters.plain import check_merge as check_merge
from ftjax.models.adapters.plain import embedded as embedded
from ftjax.models.adapters.plain import inputs as inputs
from ftjax.models.adapters.plain import keys as keys
from ftjax.models.adapters.plain import linear as linear
from ftjax.models.adapters.plain import merge as merge
from ftjax.models.adapters.plain import outputs as outputs
from ftjax.models.adapters.plain import part as part
from ftjax.models.adapters.plain import read_by_layers as read_by_layers
from ftjax.models.adapters.plain import virtual as virtual
from ftjax.models.targets import short_name
from ftjax.models.tensors import hf_shape, our_shape, places_of, to_ours, to_theirs

TRAINED, FROZEN = (), ()
_INSIDE = "ln_tuning_layers"


def is_norm(name: str) -> bool:
  """Whether a leaf of params, or its copy, is a norm's."""
  return re.search(r"_norm/(scales?|bias)$", name) is not None


def alone(names: Iterable[str]) -> bool:
  """Whether an adapter of these leaves is norms and nothing else."""
  names = list(names)
  return bool(names) and all(n.startswith("saved/") and is_norm(n) for n in names)


def init(params: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
  """Copies of all norms of `params` (leaves by name), in float32."""
  found = {n: x for n, x in params.items() if is_norm(n)}
  if not found:
    raise InputError(
      "adapter.kind=norms: this model has no norm with parameters. Use another kind."
    )
  copy = lambda x: jnp.array(x, jnp.float32)
  return {n.replace("params/", "saved/", 1): copy(x) for n, x in found.items()}


def read(r: Reader) -> dict[str, np.ndarray]:
  """The copies of a PEFT folder; layers that have none keep the base's."""
  named = {}
  if r.settings.get("peft_type") != "LN_TUNING":
    return named
  for weight in r.table:
    found = []
    for name, place in places_of(weight, r.config).items():
      module, _, last = name.rpartition(".")
      if (tensor := r.left.pop(f"{module}.{_INSIDE}.{last}", None)) is not None:
        if tensor.shape != (wanted := hf_shape(weight, r.config)):
          raise InputError(f"{r.folder} is for another base: {name} here is {wanted}.")
        found.append((place, to_ours(tensor, weight, r.config)))
    if found:
      leaf = np.array(r.base(f"params/{weight.path}"), np.float32)
      leaf = leaf.reshape(our_shape(weight, r.config))
      for place, x in found:
        leaf[place] = x
      named[f"saved/{weight.path}"] = leaf
  return named


def write(w: Writer) -> None:
  """Adds the copies where there is nothing else."""
  if not alone(w.adapter):
    return
  mine, others = set(), set()
  for weight in w.table:
    module = weight.hf_name.rpartition(".")[0]
    (mine if f"saved/{weight.path}" in w.adapter else others).add(module)
  for weight in w.table:
    if weight.hf_name.rpartition(".")[0] in mine:
      copy = w.adapter.get(f"saved/{weight.path}")
      leaf = np.asarray(w.base(f"params/{weight.path}") if copy is None else copy)
      for name, place in places_of(weight, w.config).items():
        module, _, last = name.rpartition(".")
        tensor = np.ascontiguousarray(to_theirs(leaf[place], weight, w.config))
        w.tensors[f"{module}.{_INSIDE}.{last}"] = tensor
  targets = sorted({short_name(m, sorted(others - mine)) for m in mine})
  w.settings |= {"peft_type": "LN_TUNING", "target_modules": targets}
