"""The one product that linear layers and their adapters are made of."""

import math

import jax

from ftjax.models.matmul import matmul


def contract(x: jax.Array, kernel: jax.Array, dims: int, dtype, kind: str = "") -> jax.Array:
  """x's last `dims` dims with the kernel's first ones, in `dtype`, by a product of models/matmul.py.

  As one flat matrix product: XLA's CPU backend takes half as long again over the same one with more
  dims.
  """
  lead, inputs, outputs = x.shape[: x.ndim - dims], kernel.shape[:dims], kernel.shape[dims:]
  size = math.prod(inputs)
  y = matmul(x.astype(dtype).reshape(-1, size), kernel.reshape(size, -1), kind)
  return y.reshape(*lead, *outputs)
