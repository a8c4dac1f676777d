"""The pieces that every block is made of: linear, norms, rotary positions, activations."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from ftjax.models.adapters import kinds
from ftjax.models.config import Rope
from ftjax.models.contract import contract


class Linear(nn.Module):
  """A named kernel and the one contraction it takes part in, with an adapter where one is given: see
  adapters/kinds.py."""

  shape_in: tuple[int, ...]  # the kernel's first dims: contracted with x's last ones
  shape_out: tuple[int, ...]  # the kernel's last dims: y's last ones
  bias: bool = False
  dtype: jnp.dtype = jnp.float32  # of the computation
  dropout: float = 0.0  # on the adapter's input, while training

  @nn.compact
  def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
    x = x.astype(self.dtype)
    init = nn.initializers.variance_scaling(
      1.0,
      "fan_in",
      "normal",
      in_axis=range(len(self.shape_in)),
      out_axis=range(-len(self.shape_out), 0),
    )
    kernel = self.param("kernel", init, self.shape_in + self.shape_out)
    y = contract(x, kernel, len(self.shape_in), self.dtype)
    leaves = {c: x for c, x in self.variables.items() if c != "params"}
    if leaves:
      dropped = nn.Dropout(self.dropout, deterministic=False)(x) if self.dropout and train else x
      y = kinds.linear(y, x, dropped, kernel, leaves)
    if self.bias:
      bias = self.param("bias", nn.initializers.zeros, self.shape_out).astype(self.dtype)
      y += bias.reshape((1,) * (y.ndim - bias.ndim) + bias.shape)
    return y


class Norm(nn.Module):
  """RMSNorm or LayerNorm, computed in float32 and returned in x's dtype."""

  kind: str
  eps: float

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    D = x.shape[-1]
    vector = lambda v: v.astype(jnp.float32).reshape((1,) * (x.ndim - 1) + (D,))
    y = x.astype(jnp.float32)
    if self.kind == "layer":
      y -= y.mean(-1, keepdims=True)
    y *= jax.lax.rsqrt(jnp.square(y).mean(-1, keepdims=True) + self.eps)
    y *= vector(self.param("scale", nn.initializers.ones, (D,)))
    if self.kind == "layer":
      y += vector(self.param("bias", nn.initializers.zeros, (D,)))
    return y.astype(x.dtype)


ACTIVATIONS = {
  "silu": nn.silu,
  "relu": nn.relu,
  "gelu": lambda x: nn.gelu(x, approximate=False),
  "gelu_tanh": lambda x: nn.gelu(x, approximate=True),
}


def rope_frequencies(rope: Rope) -> np.ndarray:
  """float32 [dims / 2]: radians that each pair turns per position."""
  freq = 1.0 / rope.theta ** (np.arange(0, rope.dims, 2, dtype=np.float64) / rope.dims)
  if rope.scaling == "linear":
    freq /= rope.factor
  elif rope.scaling == "llama3":
    # Wavelengths longer than low are slowed by `factor`, shorter than high are left, between them
    # is a ramp.
    wavelength = 2 * math.pi / freq
    low, high = rope.low_frequency_factor, rope.high_frequency_factor
    ramp = np.clip((rope.original_length / wavelength - low) / (high - low), 0, 1)
    freq = (1 - ramp) * freq / rope.factor + ramp * freq
  return freq.astype(np.float32)


def rope_table(rope: Rope, positions_BT: jax.Array) -> tuple[jax.Array, jax.Array]:
  """(sin, cos), float32 [B, T, 1, dims / 2], shared by all layers."""
  freq = jnp.asarray(rope_frequencies(rope)).reshape(1, 1, -1)
  angle_BTR = positions_BT[..., None].astype(jnp.float32) * freq
  return jnp.sin(angle_BTR)[:, :, None], jnp.cos(angle_BTR)[:, :, None]


def rotate(x_BTNH: jax.Array, table: tuple[jax.Array, jax.Array], rope: Rope) -> jax.Array:
  """Turns the first `rope.dims` of every head by its position's angles, in float32."""
  sin, cos = table
  x, rest = jnp.split(x_BTNH.astype(jnp.float32), [rope.dims], axis=-1)
  if rope.interleaved:
    a, b = x[..., 0::2], x[..., 1::2]
    turned = jnp.stack([a * cos - b * sin, b * cos + a * sin], axis=-1).reshape(x.shape)
  else:
    a, b = jnp.split(x, 2, axis=-1)
    turned = jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
  return jnp.concatenate([turned, rest], axis=-1).astype(x_BTNH.dtype)
