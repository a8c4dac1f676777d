"""Products of training in eight bits, for hardware that is faster at them (int8: TPUs from v5e on and
recent GPUs; fp8: H100, TPU v7): `model.matmul`.

            y = x w                    dx = g w'                   dw = x' g
  int8      a scale for every row      a scale for every row of    in x's dtype
            of x and column of w       g and row of w
  fp8       e4m3, a scale for x and    e5m2 for g, e4m3 for w      in x's dtype
            one for w

Scales are those of the numbers at hand (Micikevicius et al. 2022 for fp8's two formats; int8 as in
AQT, Lew et al. 2022). The weights' gradient is what is summed over all tokens and becomes an update:
it stays as it is. Weights are kept, and updated, in their own dtype.
"""

import functools

import jax
import jax.numpy as jnp

from ftjax.models import bf16

KINDS = ("", "int8", "fp8")
_TO_FP8 = {"forward": jnp.float8_e4m3fn, "backward": jnp.float8_e5m2}


def matmul(x_MK: jax.Array, w_KN: jax.Array, kind: str = "") -> jax.Array:
  """x w [M, N], in x's dtype, whatever w has."""
  if not kind and bf16.applies(x_MK.dtype):
    return bf16.matmul(x_MK, w_KN)
  w_KN = w_KN.astype(x_MK.dtype)
  return _low(kind, x_MK, w_KN) if kind else x_MK @ w_KN


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _low(kind: str, x_MK: jax.Array, w_KN: jax.Array) -> jax.Array:
  return _product(kind, x_MK, w_KN, "forward")


def _forward(kind: str, x_MK: jax.Array, w_KN: jax.Array):
  return _product(kind, x_MK, w_KN, "forward"), (x_MK, w_KN)


def _backward(kind: str, kept, g_MN: jax.Array):
  x_MK, w_KN = kept
  return _product(kind, g_MN, w_KN.T, "backward"), x_MK.T @ g_MN


_low.defvjp(_forward, _backward)


def _product(kind: str, a_MK: jax.Array, b_KN: jax.Array, way: str) -> jax.Array:
  a, b = a_MK.astype(jnp.float32), b_KN.astype(jnp.float32)
  if kind == "int8":
    (a, a_M1), (b, b_1N) = _int8(a, 1), _int8(b, 0)
    y_MN = jnp.matmul(a, b, preferred_element_type=jnp.int32).astype(jnp.float32)
    return (y_MN * (a_M1 * b_1N)).astype(a_MK.dtype)
  (a, a_scale), (b, b_scale) = _fp8(a, _TO_FP8[way]), _fp8(b, _TO_FP8["forward"])
  y_MN = jnp.matmul(a, b, preferred_element_type=jnp.float32)
  return (y_MN * (a_scale * b_scale)).astype(a_MK.dtype)


def _int8(x: jax.Array, over: int) -> tuple[jax.Array, jax.Array]:
  """(codes, what they are to be multiplied by), the scale shared along dim `over`."""
  scale = _above_zero(jnp.abs(x).max(over, keepdims=True)) / 127
  return jnp.round(x / scale).astype(jnp.int8), scale


def _fp8(x: jax.Array, dtype) -> tuple[jax.Array, jax.Array]:
  scale = _above_zero(jnp.abs(x).max()) / float(jnp.finfo(dtype).max)
  return (x / scale).astype(dtype), scale


def _above_zero(x: jax.Array) -> jax.Array:
  return jnp.where(x > 0, x, 1)
