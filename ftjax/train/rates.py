"""The learning rate that suits a model, and rates that differ between leaves, as factors of the one
rate."""

import re
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from ftjax import tree
from ftjax.config import InputError, positive

_LAST = "/last_layers/"  # of layers that are trained apart: models/stacked.py
Factor = float | np.ndarray  # of a leaf, or [L], one for each layer


# Of full fine-tuning, by parameters: on a straight line between these in logarithms, and flat outside.
# docs/rates.md says why, and what was measured.
SMALL, LARGE = (2e6, 2e-3), (1e9, 2e-5)
ADAPTERS = {"none": 1, "lora": 10, "norms": 10, "ia3": 20, "prompt": 20, "prefix": 20}
MOST = 1e-2  # of low-rank pairs, which go astray above it
OPTIMIZERS = {
  "lion": 1 / 3,
  "adafactor": 3,
}  # over AdamW's, whose rate the others share; sgd has none


def suitable(parameters: int, adapter: str = "none", optimizer: str = "adamw") -> float:
  """The learning rate to begin with, rounded to two digits: what optim.learning_rate=0 means.

  parameters: of the base. adapter: adapter.kind. Raises InputError for an optimizer with no such rate.
  """
  if optimizer == "sgd":
    raise InputError(
      "optim.learning_rate=0 takes the rate that suits the model's size, and for optim.name=sgd none is known. Give "
      "one: --config.optim.learning_rate=0.1"
    )
  ends = [np.log(point) for point in (SMALL, LARGE)]
  full = np.exp(np.interp(np.log(parameters), *zip(*ends, strict=True)))
  rate = full * ADAPTERS[adapter]
  rate = min(rate, MOST) if adapter == "lora" else rate
  return float(f"{rate * OPTIMIZERS.get(optimizer, 1):.1e}")


def check(lora_plus: float, layer_decay: float) -> None:
  """Raises InputError for factors that are none."""
  positive(lora_plus, "adapter.lora_plus")
  if not 0 < layer_decay <= 1:
    raise InputError(
      f"optim.layer_decay={layer_decay!r} must be above 0 and at most 1 (one rate for all layers)."
    )


def multipliers(
  shapes: Mapping[str, tuple[int, ...]], *, lora_plus: float = 1.0, layer_decay: float = 1.0
) -> dict[str, Factor]:
  """{name of a leaf: what its learning rate is multiplied by}, of leaves by name.

  lora_plus: of every low-rank pair's `b`, whose numbers begin at zero, and of what else has one
  number for each output (LoRA+, Hayou et al. 2024, section 4; the same leaves as in PEFT). Pairs on
  token tables, where `a` is the one that begins at zero, are left alone.

  layer_decay: what each layer's rate is of the next one's above (Clark et al. 2020, ELECTRA): the
  head and the last norm have 1, the last block has layer_decay, the first layer_decay ** L, and
  embeddings another factor of it.
  """
  last = max((s[0] for n, s in shapes.items() if _LAST in n and s), default=0)
  layers = last + max((s[0] for n, s in shapes.items() if "/layers/" in n and s), default=0)
  depth = float(layer_decay) ** np.arange(layers, 0, -1, dtype=np.float64)
  found: dict[str, Factor] = {}
  for name in shapes:
    factor: Factor = 1.0
    if _LAST in name and layer_decay != 1:
      factor = depth[layers - last :]
    elif "/layers/" in name and layer_decay != 1:
      factor = depth[: layers - last]
    elif re.search(r"^[a-z_]+/embed/", name):
      factor = float(layer_decay) ** (layers + 1)
    if re.fullmatch(r"lora/(?!embed/(tokens|positions)).*/(b|magnitude|bias)", name):
      factor = factor * lora_plus
    found[name] = factor
  return found


def scale_by_multipliers(
  *, lora_plus: float = 1.0, layer_decay: float = 1.0
) -> optax.GradientTransformation:
  """Updates times their leaf's factor; to come after the learning rate and weight decay, which are
  both scaled, as a parameter group's rate does in PyTorch."""

  def scale(updates, params=None):
    del params
    shapes = {n: x.shape for n, x in tree.flatten(updates).items()}
    factors = multipliers(shapes, lora_plus=lora_plus, layer_decay=layer_decay)
    return tree.map_named(lambda name, x: _times(x, factors[name]), updates)

  return optax.stateless(scale)


def _times(x: Any, factor: Factor):
  if isinstance(factor, float):
    return x if factor == 1 else x * factor
  return x * jnp.asarray(factor, x.dtype).reshape(-1, *(1,) * (x.ndim - 1))
