"""Virtual tokens: the first ones of every document, which nobody wrote (adapters/prompt.py and
adapters/prefix.py).

They stand once in a row, whatever is packed into it, and every document sees them: what a virtual
token is does not depend on what follows it, so that all documents can share it. Positions count on
from them. A row with documents A and B, and two virtual tokens v:

    segments    v v A A A B B .
    positions   0 1 2 3 4 2 3 .
"""

import jax
import jax.numpy as jnp

SHARED = -1  # the segment of what every document sees


def after(positions_BT: jax.Array, segments_BT: jax.Array, count: int) -> jax.Array:
  """Positions behind `count` virtual tokens, whose own stay."""
  return jnp.where(segments_BT == SHARED, positions_BT, positions_BT + count)


def in_front(rows_BT: jax.Array, first_P: jax.Array) -> jax.Array:
  """[B, P + T]: the same values in front of every row."""
  B, P = rows_BT.shape[0], first_P.shape[0]
  first_BP = jnp.broadcast_to(first_P.astype(rows_BT.dtype)[None], (B, P, *first_P.shape[1:]))
  return jnp.concatenate([first_BP, rows_BT], axis=1)


def places(segments_BT, positions_BT, count: int) -> tuple[jax.Array, jax.Array]:
  """(segments, positions) with those of the virtual tokens in front."""
  shared_P, numbers_P = jnp.full(count, SHARED), jnp.arange(count)
  return in_front(segments_BT, shared_P), in_front(positions_BT, numbers_P)
