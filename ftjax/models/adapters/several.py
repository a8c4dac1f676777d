"""Several adapters of low-rank pairs on one base, added with weights: the sum of their changes, exactly
(PEFT's add_weighted_adapter with combination_type="cat")."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ftjax.config import InputError
from ftjax.models.targets import Target


class Part(NamedTuple):
  """One of the adapters: its folder as peft.open_folder gives it, and its weight."""

  folder: Any
  weight: float


def named(text: str | Path) -> list[tuple[str, float]]:
  """[(folder or hub id, weight)] of "A@0.7, B@0.3"; a folder of that very name is one adapter."""
  text = str(text)
  if Path(text).is_dir():
    return [(text, 1.0)]
  found = []
  for item in (x.strip() for x in text.split(",")):
    name, at, weight = item.rpartition("@")
    if not at:
      name, weight = item, "1"
    if not name or not re.fullmatch(r"-?\d+(\.\d*)?|-?\.\d+", weight):
      raise InputError(
        f"adapter {text!r}: {item!r} is neither a folder nor FOLDER@WEIGHT. Several are separated by "
        "commas, as in 'A@0.7, B@0.3'."
      )
    found.append((name, float(weight)))
  return found


def combined(
  parts: Sequence[tuple[Mapping[str, jax.Array], float]], targets: Mapping[str, Target]
) -> dict[str, jax.Array]:
  """The leaves of one adapter that is the weighted sum of these; their ranks add up.

  Raises InputError for anything but plain pairs: magnitudes, vectors, prompts and whole copies of
  several adapters have no sum that means something.
  """
  for adapter, _ in parts:
    if strange := [n for n in adapter if not re.fullmatch(r"lora/.*/[ab]|lora_scale/.*", n)]:
      raise InputError(
        f"Only plain low-rank pairs can be added with weights, and one of the adapters has {strange[0]}. "
        "Merge that one into the base first, or load it alone."
      )
  paths = {n.removeprefix("lora_scale/").removesuffix("/scale") for x, _ in parts for n in x
           if n.startswith("lora_scale/")}  # fmt: skip
  out = {}
  for path in sorted(paths):
    mine = [(x, w) for x, w in parts if f"lora/{path}/a" in x]
    lead = len(targets[path].lead)
    scales = [x[f"lora_scale/{path}/scale"] * jnp.float32(w) for x, w in mine]
    out[f"lora/{path}/a"] = jnp.concatenate([x[f"lora/{path}/a"] for x, _ in mine], -1)
    scaled = [_over(s, x[f"lora/{path}/b"]) for s, (x, _) in zip(scales, mine, strict=True)]
    out[f"lora/{path}/b"] = jnp.concatenate(scaled, lead)
    on = sum(jnp.abs(s) for s in scales) > 0
    out[f"lora_scale/{path}/scale"] = on.astype(jnp.float32)
  return out


def _over(scale: jax.Array, b: jax.Array) -> jax.Array:
  return b * scale.reshape(scale.shape + (1,) * (b.ndim - scale.ndim)).astype(b.dtype)


def opened(text: str | Path, open_folder: Callable, resolve: Callable = lambda x: x):
  """open_folder's Folder of one adapter without a weight, else a tuple of Parts."""
  found = named(text)
  if len(found) == 1 and found[0][1] == 1:
    return open_folder(resolve(found[0][0]))
  return tuple(Part(open_folder(resolve(name)), weight) for name, weight in found)
