"""Which rows are held out for validation: decided row by row, by a hash of the prompt.

A row's side depends on its own prompt alone. So one prompt's answers never sit on both sides, the
same rows are held out on every machine and in every order, and rows that are added later move none
of the old ones.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from ftjax.config import InputError


def held_out(key: Any, fraction: float) -> bool:
  """Whether rows of this prompt (text, bytes or messages) are for validation."""
  if not isinstance(key, bytes):
    key = (key if isinstance(key, str) else json.dumps(key, sort_keys=True)).encode(
      "utf-8", "surrogatepass"
    )
  return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest()) < fraction * 2**64


def split(keys: Sequence[Any], fraction: float) -> tuple[np.ndarray, np.ndarray]:
  """(training, validation): the indices of `keys` on each side, int64, in order. About `fraction`
  of the distinct keys are held out. Raises InputError for a fraction outside [0, 1)."""
  if not 0 <= fraction < 1:
    raise InputError(
      f"data.validation_fraction={fraction!r} must be at least 0 and below 1 (0 = no validation, -1 = auto)."
    )
  sides = np.fromiter((held_out(key, fraction) for key in keys), bool, len(keys))
  return np.flatnonzero(~sides), np.flatnonzero(sides)
