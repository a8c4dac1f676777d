"""Single rows of the token table and of the head, one for each of some tokens (PEFT's trainable
tokens): they stand in for the base's, whatever those are.

  rows/PATH      rows [n, D]        PATH: embed/tokens, or head
  row_ids/PATH   ids int32 [n]
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

TRAINED, FROZEN = ("rows",), ("row_ids",)


def read_by_layers(path: str) -> bool:
  """Never: whoever reads a parameter gets another."""
  return False


def linear(y, x, dropped, kernel, leaves):
  """Nothing more: the kernel itself is another."""
  return y


def merge(name: str, leaf: jax.Array, adapter: Mapping[str, jax.Array]) -> jax.Array:
  """A token table or head with the rows in their places, in its dtype."""
  path = name.removeprefix("params/").removesuffix("/kernel")
  if f"rows/{path}/rows" not in adapter:
    return leaf
  ids, rows = adapter[f"row_ids/{path}/ids"], adapter[f"rows/{path}/rows"].astype(leaf.dtype)
  if name.endswith("/kernel"):  # [D, V]: a token is an output
    return leaf.at[:, ids].set(rows.T)
  return leaf.at[ids].set(rows)


def init(ids: Sequence[int], params: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
  """The rows that some tokens have in every table of `params`, by name, in float32."""
  named, ids = {}, np.asarray(ids, np.int32)
  tables = {"embed/tokens": lambda x: x[ids], "head/kernel": lambda x: x[:, ids].T}
  for name, take in tables.items():
    if f"params/{name}" in params:
      path = name.removesuffix("/kernel")
      named[f"rows/{path}/rows"] = take(params[f"params/{name}"]).astype(jnp.float32)
      named[f"row_ids/{path}/ids"] = jnp.asarray(ids)
  return named
