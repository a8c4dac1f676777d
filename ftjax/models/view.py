"""Who sees whom: what all implementations of attention have in common."""

from typing import NamedTuple

import jax

from ftjax.models.virtual import SHARED


class View(NamedTuple):
  """Which document (segment) and position each query and each key has: all that decides who sees
  whom."""

  q_segments: jax.Array  # int32 [B, T]
  q_positions: jax.Array
  k_segments: jax.Array  # int32 [B, S]
  k_positions: jax.Array


def visible(view: View, window=None) -> jax.Array:
  """bool [B, T, S]: which keys each query may see: its own document's, up to its own position, and
  of those the last `window` (an int or int32 []; None = all). Virtual tokens are every document's.

  Positions grow within a document, so this one rule is causality, isolation of packed documents
  and, with a cache, the masking of empty slots. For a row packed with documents A (2 tokens), B (3)
  and one of padding:

        A A B B B .
      A 1
      A 1 1
      B     1
      B     1 1
      B     1 1 1
      .           1     (padding sees padding: no empty row, so no NaN)
  """
  k_segments = view.k_segments[:, None, :]
  same = (view.q_segments[:, :, None] == k_segments) | (k_segments == SHARED)
  back = view.q_positions[:, :, None] - view.k_positions[:, None, :]
  seen = same & (back >= 0)
  return seen if window is None else seen & (back < window)
