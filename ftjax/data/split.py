"""Which rows are held out for validation: decided row by row, by a hash of the prompt.

A row's side depends on its own prompt alone. So one prompt's answers never sit on both sides, the
same rows are held out on every machine and in every order, and rows that are added later move none
of the old ones. Where prompts do not tell rows apart (`keys`), it is the whole row that is hashed.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ftjax.config import InputError

_SHARE = 0.2  # of the rows that may have one prompt: where more do, most of them fall on one side


def held_out(key: Any, fraction: float) -> bool:
  """Whether rows of this key (text, bytes or messages) are for validation."""
  return int.from_bytes(hashlib.blake2b(_bytes(key), digest_size=8).digest()) < fraction * 2**64


def keys(prompts: Sequence[Any], rows: Sequence[Any]) -> tuple[list[Any], int]:
  """(what is hashed of each row, of how many rows that is the row itself).

  It is the row's prompt. Where a prompt is None, or so many rows share it that they would hardly be
  split, it is the row.
  """
  found = [None if prompt is None else _bytes(prompt) for prompt in prompts]
  most = max(1, _SHARE * len(rows))
  same = {prompt for prompt, n in Counter(found).items() if prompt is None or n > most}
  whole = [prompt in same for prompt in found]
  return [r if w else p for p, r, w in zip(prompts, rows, whole, strict=True)], sum(whole)


def _bytes(key: Any) -> bytes:
  if isinstance(key, bytes):
    return key
  text = key if isinstance(key, str) else json.dumps(key, sort_keys=True)
  return text.encode("utf-8", "surrogatepass")


def split(keys: Sequence[Any], fraction: float) -> tuple[np.ndarray, np.ndarray]:
  """(training, validation): the indices of `keys` on each side, int64, in order. About `fraction`
  of the distinct keys are held out. Raises InputError for a fraction outside [0, 1)."""
  if not 0 <= fraction < 1:
    raise InputError(
      f"data.validation_fraction={fraction!r} must be at least 0 and below 1 (0 = no validation, -1 = auto)."
    )
  sides = np.fromiter((held_out(key, fraction) for key in keys), bool, len(keys))
  return np.flatnonzero(~sides), np.flatnonzero(sides)
