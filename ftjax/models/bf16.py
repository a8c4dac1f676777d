"""Products in bfloat16 as XLA's CPU backend has instructions for them.

On a CPU with AMX (Intel from Sapphire Rapids on) XLA hands a bfloat16 product to a library that is
four times as fast as in float32, but only where the result is float32 and the last dim of the left
operand is contracted. All others, with a bfloat16 result or with the first dims contracted (the
gradient of every kernel), it converts to float32 first. Elsewhere these forms cost nothing.
"""

import jax
import jax.numpy as jnp

from ftjax.parallel.mesh import ambient, platform

_TOGETHER = 8  # columns that `turned` moves as one


def applies(dtype) -> bool:
  """Whether products in this dtype are to be written this way here."""
  mesh = ambient()
  return dtype == jnp.bfloat16 and platform() == "cpu" and (mesh is None or mesh.size == 1)


def product(a_MK: jax.Array, b: jax.Array, dim: int = 0) -> jax.Array:
  """float32 [M, N] of a and b, whose dim `dim` is K."""
  axes = ((1,), (dim,)), ((), ())
  return jax.lax.dot_general(a_MK, b, axes, preferred_element_type=jnp.float32)


def turned(x: jax.Array) -> jax.Array:
  """x [..., M, K] as [..., K, M], an array of its own.

  XLA makes a product with x.T into one that contracts the first dims, through a barrier as well, but
  not through this reshape.
  """
  *lead, M, K = x.shape
  if K % _TOGETHER or K == _TOGETHER:
    return x.swapaxes(-1, -2)
  pieces = jnp.moveaxis(x.reshape(*lead, M, K // _TOGETHER, _TOGETHER), -3, -1)
  return pieces.reshape(*lead, K, M)


@jax.custom_vjp
def matmul(x_MK: jax.Array, w_KN: jax.Array) -> jax.Array:
  """x w [M, N] in bfloat16, rounded once. w may have another dtype, which its gradient gets without
  having been rounded."""
  return product(x_MK, w_KN.astype(x_MK.dtype)).astype(x_MK.dtype)


def _forward(x_MK: jax.Array, w_KN: jax.Array):
  return matmul(x_MK, w_KN), (x_MK, w_KN)


def _backward(kept, g_MN: jax.Array):
  x_MK, w_KN = kept
  dx_MK = product(g_MN, w_KN.astype(g_MN.dtype), 1).astype(x_MK.dtype)
  if g_MN.shape[1] * 4 <= x_MK.shape[1]:  # a low rank: less is turned, and then a small result
    return dx_MK, turned(product(turned(g_MN), x_MK)).astype(w_KN.dtype)
  x_MK = jax.lax.optimization_barrier(x_MK)  # else it is computed in the order of its turned form
  return dx_MK, product(turned(x_MK), g_MN).astype(w_KN.dtype)


matmul.defvjp(_forward, _backward)
