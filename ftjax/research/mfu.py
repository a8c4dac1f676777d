"""Model FLOPs utilisation: how much of what the chips can do at best a run's mathematics takes."""

from collections.abc import Callable, Mapping

import jax
import numpy as np

from ftjax.data.loader import Rows
from ftjax.models import flops
from ftjax.models.config import ModelConfig
from ftjax.parallel.chips import peak_flops


def span(lengths: np.ndarray) -> float:
  """The mean length of the document that a token stands in: sum of squares / sum."""
  lengths = np.asarray(lengths, np.float64)
  return float(np.square(lengths).sum() / max(lengths.sum(), 1.0))


def meter(
  config: ModelConfig, rows: Rows, *, frozen: bool, devices: int, peak: float | None = None
) -> Callable[[Mapping[str, float]], dict[str, float]]:
  """fn(a line of metrics) -> {"train/mfu": ...} where the line has training's rates.

  (FLOPs a second that models/flops.py counts) / (devices x peak). frozen: whether the matrices get
  no gradient. peak: FLOP/s of a device; None = parallel/chips.py's, and without one there (every
  CPU) no number.
  """
  needed = flops.training(config, span(rows.places_taken), frozen=frozen)
  peak = peak or peak_flops(jax.devices()[0])

  def derive(metrics: Mapping[str, float]) -> dict[str, float]:
    names = ("train/tokens_per_second", "train/supervised_tokens_per_second")
    if peak is None or not all(name in metrics for name in names):
      return {}
    return {"train/mfu": needed.step(*(metrics[n] for n in names)) / (devices * peak)}

  return derive
