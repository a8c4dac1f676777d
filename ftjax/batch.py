"""The one contract between data, training and evaluation.

Legend of dims, used in every name of the core: B batch, T time, S cached time, D model width, N
query heads, K key/value heads, G = N/K, H head width, F MLP width, V vocabulary, L layers, r
adapter rank.
"""

from typing import NamedTuple, TypeVar

import numpy as np

GENERAL = 1 << 20  # segments from here on are documents of general text, mixed in by train.replay
Array = TypeVar("Array")  # numpy on the host, jax on the device


class Batch(NamedTuple):
  """Rows of token ids, ready for a next-token loss.

  Every field is [..., B, T]; a leading axis, where there is one, counts the micro batches of one
  update.

  tokens: int32, the input ids.
  targets: int32, the id that should follow each token.
  weights: float32, the loss weight of each target; 0 = not trained on.
  positions: int32, restarting at 0 with each document of a packed row.
  segments: int32, 1, 2, ... for the documents of a row, 0 for padding. A token sees only its own
  segment. Documents of replayed general text count from GENERAL on.
  """

  tokens: Array
  targets: Array
  weights: Array
  positions: Array
  segments: Array


def empty(rows: int, length: int) -> Batch:
  """A batch of padding alone: shape templates, warm-up compiles, and the last, incomplete batch."""
  zeros = lambda dtype: np.zeros((rows, length), dtype)
  return Batch(
    zeros(np.int32), zeros(np.int32), zeros(np.float32), zeros(np.int32), zeros(np.int32)
  )
