"""Whether a folder holds the model it was written from, as far as logits can tell."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ftjax.models import decoder, hf
from ftjax.models.config import ModelConfig

BOUNDS = {"float32": 1e-4, "bfloat16": 5e-2}  # shares of the largest logit


class Different(Exception):
  """The two are not the same model."""


def check(
  folder: str | Path, config: ModelConfig, variables: Callable[[], Any], bound: float
) -> str:
  """A line that says how far the folder's logits are from those of a model, both in float32.

  variables: fn() -> the model's, with or without an adapter; they are let go before the folder is
  read. bound: the most that is accepted, as a share of the largest logit; above it, Different is
  raised.
  """
  x = _logits(config, variables())
  written = hf.open_checkpoint(folder)
  y = _logits(written.config, hf.read(written, np.float32))
  if x.shape != y.shape:
    raise Different(f"logits are {x.shape}, and {y.shape} as written")
  largest, scale = float(np.abs(x - y).max()), float(np.abs(x).max())
  line = f"largest difference of logits: {largest:.2e}, where the largest logit is {scale:.4g}"
  if not largest <= bound * scale:  # NaN is a difference as well.
    raise Different(f"{line}: that is above {bound:g} of it.")
  return line


def apart(folder: str | Path, config: ModelConfig, variables: Callable[[], Any]) -> str:
  """A line that says how far the folder's logits are from those of a model that is not quite the
  same: the quantized base, say, that an adapter was trained on before it was merged into the base
  in full."""
  x = _logits(config, variables())
  written = hf.open_checkpoint(folder)
  y = _logits(written.config, hf.read(written, np.float32))
  off, same = np.abs(x - y), (x.argmax(-1) == y.argmax(-1)).mean()
  return (
    f"logits are {off.max():.2e} apart at most and {off.mean():.2e} on average, where the largest is "
    f"{np.abs(x).max():.4g}; the likeliest token is the same at {same:.1%} of the places"
  )


def _logits(config: ModelConfig, variables, rows: int = 4, length: int = 64) -> np.ndarray:
  """float32 [rows, length, vocabulary] over random ids."""
  shape = rows, min(length, config.max_length)
  tokens = np.random.default_rng(0).integers(0, config.vocabulary, shape).astype(np.int32)
  positions = np.broadcast_to(np.arange(shape[1], dtype=np.int32), shape)
  model = decoder.Decoder(config)

  @jax.jit
  def run(variables):
    hidden, _ = model.apply(variables, tokens, positions, np.ones_like(tokens))
    return decoder.logits(hidden, decoder.head(variables, config))

  return np.asarray(run(variables))[..., : config.vocabulary]
