"""PEFT's adapters on parameters: what is a linear layer in some checkpoints and a bare parameter in
transformers, as experts and their router are.

Reference: ParamWrapper in peft/tuners/lora/layer.py. Of E experts with rank r, lora_A is [E * r, in],
expert by expert, and lora_B [out, r * E], rank by rank; a parameter of two dims has E = 1. The pair
is named after the parameter's module; where several of one module are adapted, each stands under
base_layer of the next.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import einops
import jax.numpy as jnp
import numpy as np

from ftjax.config import InputError
from ftjax.models.config import ModelConfig
from ftjax.models.targets import Target

PREFIX = "base_model.model."


def read(
  targets: Mapping[str, Target],
  left: dict[str, np.ndarray],
  hf: Mapping[str, Any],
  config: ModelConfig,
  folder: Path,
  dtype,
) -> dict[str, Any]:
  """The leaves, by name, of all parameters that the folder adapts; their tensors are taken out of
  `left`."""
  names = hf.get("target_parameters") or ()
  asked = lambda t: any(f".{t.weight.parameter}".endswith(f".{name}") for name in names)
  mine = {path: t for path, t in targets.items() if t.weight.parameter and asked(t)}
  named = {}
  for path, t in mine.items():
    pairs, scales = [], []
    for l in range(config.L):
      keys = [f"{_owner(t, mine, l)}.lora_{side}.weight" for side in "AB"]
      if lost := [key for key in keys if key not in left]:
        raise InputError(f"{folder} has no {lost[0]}, though its target_parameters ask for it.")
      a, b = (left.pop(key) for key in keys)
      E, inputs, outputs = _sizes(t)
      r = len(a) // E
      if (a.shape, b.shape) != ((E * r, inputs), (outputs, r * E)):
        raise InputError(f"{folder} is for another base: {t.module} here is {outputs} x {inputs}.")
      pairs.append((_a(a, t), _b(b, t, config)))
      scales.append(scale(hf, t.weight.parameter.format(l=l), r))
    for part, layers in zip("ab", zip(*pairs, strict=True), strict=True):
      named[f"lora/{path}/{part}"] = jnp.asarray(np.stack(layers), dtype)
    named[f"lora_scale/{path}/scale"] = jnp.asarray(scales, jnp.float32)
  return named


def tensors(
  targets: Mapping[str, Target], named: Mapping[str, np.ndarray], config: ModelConfig
) -> dict[str, np.ndarray]:
  """What `read` reads, from the leaves `named`."""
  out = {}
  for path, t in targets.items():
    theirs, ours = _orders(t)
    for l in range(config.L):
      key, (E, inputs, _) = _owner(t, targets, l), _sizes(t)
      a, b = (named[f"lora/{path}/{part}"][l] for part in "ab")
      a = einops.rearrange(a.reshape(E, inputs, -1), "experts inputs rank -> (experts rank) inputs")
      b = b.reshape(E, a.shape[0] // E, *t.shape_out)
      b = einops.rearrange(b, f"experts rank {ours} -> ({theirs}) (rank experts)")
      out |= {f"{key}.lora_A.weight": np.ascontiguousarray(a)}
      out |= {f"{key}.lora_B.weight": np.ascontiguousarray(b)}
  return out


def _a(a: np.ndarray, t: Target) -> np.ndarray:
  a = einops.rearrange(a, "(experts rank) inputs -> experts inputs rank", experts=_sizes(t)[0])
  return a.reshape(*t.lead[1:], *t.shape_in, -1)


def _b(b: np.ndarray, t: Target, config: ModelConfig) -> np.ndarray:
  theirs, ours = _orders(t)
  sizes = {d: config.sizes[d] for d in ours.split()}
  b = einops.rearrange(
    b, f"({theirs}) (rank experts) -> experts rank {ours}", experts=_sizes(t)[0], **sizes
  )
  return b.reshape(*t.lead[1:], -1, *t.shape_out)


def _sizes(t: Target) -> tuple[int, int, int]:
  """(experts, inputs, outputs)."""
  return tuple(int(np.prod(dims)) for dims in (t.lead[1:], t.shape_in, t.shape_out))


def _orders(t: Target) -> tuple[str, str]:
  """The output's dims in transformers' order and in ours: tensors that the checkpoint has side by
  side follow each other there."""
  theirs, ours = t.weight.dims.split("->")
  ours = ours.split()[-len(t.shape_out) :]
  stored = [d for d in re.findall(r"\w", theirs) if d in ours]
  return " ".join([d for d in ours if d not in stored] + stored), " ".join(ours)


def _owner(t: Target, adapted: Mapping[str, Target], l: int) -> str:
  """What the names of a parameter's pair begin with."""
  module = lambda t: t.weight.parameter.rsplit(".", 1)[0]
  together = [other for other in adapted.values() if module(other) == module(t)]
  under = ".base_layer" * (len(together) - 1 - together.index(t))
  return PREFIX + module(t).format(l=l) + under


def scale(hf, module: str, rank: int) -> float:
  """alpha / rank, or alpha / sqrt(rank) for rank-stabilised LoRA, with PEFT's per-module
  patterns."""
  patterns = hf.get("alpha_pattern") or {}
  usual = hf.get("lora_alpha", 8)  # PEFT's own default
  alpha = next((v for p, v in patterns.items() if re.fullmatch(rf"(.*\.)?({p})", module)), usual)
  return alpha / (rank**0.5 if hf.get("use_rslora") else rank)
