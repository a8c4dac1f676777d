"""What texts score that answer other prompts: what a score must beat before it says anything of a
model."""

from collections.abc import Sequence

import numpy as np

from ftjax.evaluate.outputs import Asked, load_metrics
from ftjax.generate.generator import Completion

FLOOR = "floor"


def other_texts(asked: Asked, seed: int = 0) -> list[str]:
  """A reference of another prompt for each prompt: the order is drawn once, and each takes what its
  successor has. Empty where fewer than two prompts have references."""
  chosen = [i for i, some in enumerate(asked.references) if some]
  if len(chosen) < 2:
    return []
  rng = np.random.default_rng(seed)
  order = rng.permutation(chosen)
  out = [""] * len(asked.references)
  for here, other in zip(order, np.roll(order, -1), strict=True):
    some = asked.references[other]
    out[here] = some[rng.integers(len(some))]
  return out


def floors(asked: Asked, metrics: Sequence[str]) -> dict[str, float]:
  """The scores of `other_texts`, by those of the metrics that compare with the prompt."""
  texts = [Completion(text, (), "stop") for text in other_texts(asked)]
  if not texts:
    return {}
  found: dict[str, float] = {}
  for module in load_metrics(metrics, "texts"):
    if module.FLOOR:
      found |= module.result(module.update(asked, texts))
  return found
