"""(IA)^3 (Liu et al. 2022): vectors that linear layers' outputs, or inputs, are multiplied by.

  ia3/PATH      outputs [L, out], or inputs [L, in]
  ia3_on/PATH   on [L]: 1, or 0 for a layer that has none

y = (W x + bias) * outputs, or W (x * inputs) + bias: the paper has the first on keys and values, the
second on the MLP's last matrix. Ones are the identity, and how it begins. Outside the blocks there is
no L. Reference: peft/tuners/ia3/layer.py.
"""

import itertools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from ftjax.config import InputError
from ftjax.models.adapters import settings
from ftjax.models.adapters.folder import Reader, Writer
from ftjax.models.adapters.plain import check_merge as check_merge
from ftjax.models.adapters.plain import embedded as embedded
from ftjax.models.adapters.plain import keys as keys
from ftjax.models.adapters.plain import linear as linear
from ftjax.models.adapters.plain import virtual as virtual
from ftjax.models.targets import HEAD, Target, short_name

TRAINED, FROZEN = ("ia3",), ("ia3_on",)


def read_by_layers(path: str) -> bool:
  """Whether layers.Linear reads the vector of this path itself: the head's is worked into it."""
  return path.rpartition("/")[0] != HEAD


def inputs(x: jax.Array, leaves: Mapping) -> jax.Array:
  """A layer's input times its vector, in x's dtype."""
  return _times(x, leaves, "inputs")


def outputs(y: jax.Array, leaves: Mapping) -> jax.Array:
  """A layer's output, bias included, times its vector, in y's dtype."""
  return _times(y, leaves, "outputs")


def _times(x: jax.Array, leaves: Mapping, side: str) -> jax.Array:
  if side not in leaves.get("ia3", ()):
    return x
  vector = _effective(leaves["ia3"][side], leaves["ia3_on"]["on"])
  return (x * vector.reshape((1,) * (x.ndim - vector.ndim) + vector.shape)).astype(x.dtype)


def _effective(vector: jax.Array, on: jax.Array) -> jax.Array:
  """Ones where a layer has no vector."""
  return jnp.where(on.reshape(on.shape + (1,) * (vector.ndim - on.ndim)) != 0, vector, 1)


def merge(name: str, leaf: jax.Array, adapter: Mapping[str, jax.Array]) -> jax.Array:
  """A kernel, or a bias, times its layer's vector."""
  path, _, last = name.removeprefix("params/").rpartition("/")
  for side in ("outputs", "inputs"):
    vector = adapter.get(f"ia3/{path}/{side}")
    if vector is None or last not in ("kernel", "bias") or (last, side) == ("bias", "inputs"):
      continue
    on = adapter[f"ia3_on/{path}/on"]
    vector, lead = _effective(vector, on), on.ndim
    ones = (1,) * (leaf.ndim - vector.ndim)  # the kernel's other side
    own = vector.shape[lead:]
    leaf = leaf * vector.reshape(
      vector.shape[:lead] + (ones + own if side == "outputs" else own + ones)
    )
  return leaf


def part(adapter: Mapping[str, jax.Array], index: tuple[int | slice, ...]) -> dict[str, jax.Array]:
  """What belongs to leaf[index]: that of the layer that it begins with."""
  lead = tuple(itertools.takewhile(lambda i: isinstance(i, int), index))
  return {n: x[lead] for n, x in adapter.items()}


def init(targets: Mapping[str, Target]) -> dict[str, jax.Array]:
  """Ones for these layers, by name: on the inputs of the MLP's last matrix, on the outputs of all
  others. Raises InputError for what is no linear layer."""
  named = {}
  for path, t in targets.items():
    if t.table or t.parameter:
      raise InputError(
        f"adapter.kind=ia3 has no vectors for {t.module.format(l=0)}, which is no linear layer (nor "
        "has PEFT). Leave it out of adapter.targets."
      )
    side = "inputs" if path.endswith("mlp/down") else "outputs"
    shape = t.shape_in if side == "inputs" else t.shape_out
    named[f"ia3/{path}/{side}"] = jnp.ones((*t.shape_lead, *shape), jnp.float32)
    named[f"ia3_on/{path}/on"] = jnp.ones(t.shape_lead, jnp.float32)
  return named


def read(r: Reader) -> dict[str, np.ndarray]:
  """The vectors of a PEFT folder."""
  named = {}
  if r.settings.get("peft_type") != "IA3":
    return named
  for path, t in r.targets.items():
    found = [(m, r.left.pop(f"{m}.ia3_l", None)) for m in t.modules(r.config)]
    present = [(m, x) for m, x in found if x is not None]
    if not present:
      continue
    sides = {"inputs" if _feedforward(r.settings, m) else "outputs" for m, _ in present}
    for module, x in present:
      wanted = (1, t.shape[0]) if sides == {"inputs"} else (t.shape[1], 1)
      if len(sides) > 1 or x.shape != wanted or not settings.selects(r.settings, module):
        raise InputError(
          f"{r.folder}: the vector of {module}, of shape {x.shape}, does not go with its settings "
          f"(target_modules, feedforward_modules) and this base, where it is {wanted}."
        )
    (side,) = sides
    shape = t.shape_in if side == "inputs" else t.shape_out
    ours = lambda x, t=t, side=side: t.ours(x.reshape(-1), "in" if side == "inputs" else "out")
    vectors = [np.ones(shape, np.float32) if x is None else ours(x) for _, x in found]
    on = [np.float32(x is not None) for _, x in found]
    pick = np.stack if t.weight.stacked else (lambda xs: xs[0])
    named[f"ia3/{path}/{side}"], named[f"ia3_on/{path}/on"] = pick(vectors), pick(on)
  return named


def _feedforward(hf: settings.Settings, module: str) -> bool:
  """Whether PEFT multiplies this module's inputs."""
  names = hf.get("feedforward_modules") or ()
  if isinstance(names, str):
    return settings.match(names, module, whole=True) is not None
  return any(module.endswith(name) for name in names)


def write(w: Writer) -> None:
  """Adds the vectors and their settings."""
  mine = {p: t for p, t in w.targets.items() if f"ia3_on/{p}/on" in w.adapter}
  others = [t.module for path, t in w.targets.items() if path not in mine]
  listed: dict[str, set[str]] = {"inputs": set(), "outputs": set()}
  for path, t in mine.items():
    side = "inputs" if f"ia3/{path}/inputs" in w.adapter else "outputs"
    lead = slice(None) if t.weight.stacked else None
    vectors, on = w.adapter[f"ia3/{path}/{side}"][lead], w.adapter[f"ia3_on/{path}/on"][lead]
    modules = t.modules(w.config)
    for module, vector, here in zip(modules, vectors, on, strict=True):
      if here:
        flat = t.theirs(vector, "in" if side == "inputs" else "out")
        w.tensors[f"{module}.ia3_l"] = np.ascontiguousarray(
          flat[None] if side == "inputs" else flat[:, None]
        )
    some = [m for m, here in zip(modules, on, strict=True) if here]
    listed[side] |= {short_name(t.module, others)} if len(some) == len(modules) else set(some)
  if mine:
    w.settings |= {
      "peft_type": "IA3", "target_modules": sorted(listed["inputs"] | listed["outputs"]),
      "feedforward_modules": sorted(listed["inputs"]),
      "fan_in_fan_out": any(t.input_first for t in mine.values()),
    }  # fmt: skip
