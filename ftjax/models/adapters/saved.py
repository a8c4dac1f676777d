"""Full copies of parameters that stand in for the base's: PEFT's modules_to_save, and biases.

saved/PATH   shaped like params/PATH
"""

from collections.abc import Mapping

import jax

TRAINED, FROZEN = ("saved",), ()


def read_by_layers(path: str) -> bool:
  """Never: whoever reads a parameter gets another."""
  return False


def linear(y, x, dropped, kernel, leaves):
  """Nothing more: the kernel itself is another."""
  return y


def merge(name: str, leaf: jax.Array, adapter: Mapping[str, jax.Array]) -> jax.Array:
  """The copy where there is one."""
  return adapter.get(name.replace("params/", "saved/", 1), leaf)
