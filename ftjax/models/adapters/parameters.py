"""Low-rank pairs as PEFT keeps them for parameters: what is a linear layer in some checkpoints and a
bare parameter in transformers, as experts and their router are.

Reference: ParamWrapper in peft/tuners/lora/layer.py, which knows neither magnitudes nor biases nor
dropout. Of E experts with rank r, lora_A is [E * r, in], expert by expert, and lora_B [out, r * E],
rank by rank; a parameter of two dims has E = 1. The pair is named after the parameter's module; where
several of one module are adapted, each stands under base_layer of the next.
"""

import math
from collections.abc import Mapping

import einops
import numpy as np

from ftjax.config import InputError
from ftjax.models.adapters import settings
from ftjax.models.adapters.folder import Reader, Writer
from ftjax.models.targets import Target
from ftjax.models.values import shown


def read(r: Reader) -> dict[str, np.ndarray]:
  """The pairs of all parameters that a PEFT folder adapts."""
  hf, named = r.settings, {}
  known = [t for t in r.targets.values() if t.parameter]
  for name in hf.get("target_parameters") or ():
    if not any(settings.adapts({"target_parameters": [name]}, t.weight.parameter) for t in known):
      has = ", ".join(t.weight.parameter for t in known) or "none"
      raise InputError(
        f"{r.folder} says target_parameters={shown(hf['target_parameters'])}, and {shown(name)} is no parameter "
        f"that can be adapted in this base, which has {has}."
      )
  mine = {
    p: t for p, t in r.targets.items() if t.parameter and settings.adapts(hf, t.weight.parameter)
  }
  if mine and (wrong := [field for field in ("use_dora", "lora_bias") if hf.get(field)]):
    raise InputError(
      f"{r.folder} says {wrong[0]}=True with target_parameters, which PEFT does not know either."
    )
  for path, t in mine.items():
    layers = [_take(r, t, mine, l) for l in range(r.config.L)]
    for part in ("a", "b"):
      named[f"lora/{path}/{part}"] = np.stack([x[part] for x in layers])
    named[f"lora_scale/{path}/scale"] = np.stack([x["scale"] for x in layers])
  return named


def _take(r: Reader, t: Target, mine: Mapping[str, Target], l: int) -> dict[str, np.ndarray]:
  """One layer's a, b and scale, with our dims."""
  keys = [f"{_owner(t, mine, l)}.lora_{side}.weight" for side in "AB"]
  if lost := [key for key in keys if key not in r.left]:
    raise InputError(f"{r.folder} has no {lost[0]}, though its target_parameters ask for it.")
  a, b = (r.left.pop(key) for key in keys)
  module = t.modules(r.config)[l]
  rank, _ = settings.rank_and_alpha(r.settings, module)
  E, (inputs, outputs) = _experts(t), t.shape
  if (a.shape, b.shape) != ((E * rank, inputs), (outputs, rank * E)):
    raise InputError(
      f"{r.folder} is for another base or rank: {module} here is {outputs} x {inputs} for each of {E}, "
      f"and its settings say a rank of {rank}."
    )
  a = einops.rearrange(a, "(E r) inputs -> E r inputs", E=E)
  b = einops.rearrange(b, "outputs (r E) -> E r outputs", E=E)
  a, b = np.moveaxis(t.ours(a, "in"), 1, -1), t.ours(b, "out")
  one = len(t.lead) == 1  # not a dim of experts
  return {
    "a": a[0] if one else a,
    "b": b[0] if one else b,
    "scale": np.float32(settings.scale(r.settings, module)),
  }


def write(w: Writer) -> dict[str, tuple[int, int | float]]:
  """Adds the pairs: {parameter: (rank, alpha)}."""
  mine = {p: t for p, t in w.targets.items() if t.parameter and f"lora/{p}/a" in w.adapter}
  written = {}
  for path, t in mine.items():
    a, b = (w.adapter[f"lora/{path}/{part}"] for part in "ab")
    if len(t.lead) == 1:
      a, b = a[:, None], b[:, None]
    rank, scales = a.shape[-1], w.adapter[f"lora_scale/{path}/scale"]
    for l, module in enumerate(t.modules(w.config)):
      key = _owner(t, mine, l)
      A = einops.rearrange(t.theirs(np.moveaxis(a[l], -1, 1), "in"), "E r inputs -> (E r) inputs")
      B = einops.rearrange(t.theirs(b[l], "out"), "E r outputs -> outputs (r E)")
      w.tensors[f"{key}.lora_A.weight"] = np.ascontiguousarray(A)
      w.tensors[f"{key}.lora_B.weight"] = np.ascontiguousarray(B)
      written[module] = rank, settings.alpha(scales[l], rank, w.rslora)
  if mine:
    w.settings["target_parameters"] = sorted(
      t.weight.parameter.rpartition("}.")[2] for t in mine.values()
    )
    w.settings["lora_dropout"] = 0.0
  return written


def _experts(t: Target) -> int:
  """E, or 1 for what is no expert's."""
  return math.prod(t.shape_lead[1:])


def _owner(t: Target, adapted: Mapping[str, Target], l: int) -> str:
  """What the names of a parameter's pair begin with."""
  module = lambda t: t.weight.parameter.rpartition(".")[0]
  together = [other for other in adapted.values() if module(other) == module(t)]
  under = ".base_layer" * (len(together) - 1 - together.index(t))
  return module(t).format(l=l) + under
