"""The pieces that every block is made of: linear, norms, activations."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from ftjax.models.adapters import kinds
from ftjax.models.contract import contract
from ftjax.models.quant import base


class Linear(nn.Module):
  """A named kernel and the one contraction it takes part in, with an adapter where one is given: see
  adapters/kinds.py."""

  shape_in: tuple[int, ...]  # the kernel's first dims: contracted with x's last ones
  shape_out: tuple[int, ...]  # the kernel's last dims: y's last ones
  bias: bool = False
  dtype: jnp.dtype = jnp.float32  # of the computation
  dropout: float = 0.0  # on the adapter's input, while training
  matmul: str = ""  # the product: see models/matmul.py

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
    leaves = {c: x for c, x in self.variables.items() if c not in ("params", base.COLLECTION)}
    x = kinds.inputs(x, leaves) if leaves else x
    dropped = x
    if leaves and self.dropout and train:
      dropped = nn.Dropout(self.dropout, deterministic=False)(x)

    def product(kernel, x, dropped):
      y = contract(x, kernel, len(self.shape_in), self.dtype, self.matmul)
      return kinds.linear(y, x, dropped, kernel, leaves) if leaves else y

    if stored := self.variables.get(base.COLLECTION):
      product = base.late(product, self.shape_in, self.shape_out, self.dtype)
      y = product(stored, x, dropped)
    else:
      y = product(self.param("kernel", init, self.shape_in + self.shape_out), x, dropped)
    if self.bias:
      bias = self.param("bias", nn.initializers.zeros, self.shape_out).astype(self.dtype)
      y += bias.reshape((1,) * (y.ndim - bias.ndim) + bias.shape)
    return kinds.outputs(y, leaves) if leaves else y


class Norm(nn.Module):
  """RMSNorm or LayerNorm, computed in float32 and returned in x's dtype.

  The leaf is `scale` [D], or `scales` [N, H] for one that is applied to heads and differs between
  them.
  """

  kind: str  # "rms" | "layer"
  eps: float
  bias: bool = False
  offset: float = 0.0  # y is multiplied by offset + scale
  by_head: bool = False  # a scale for each head: x is [..., N, H]
  over: int = 1  # how many of x's last dims are normalised together

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    shape = x.shape[-2:] if self.by_head else x.shape[-1:]
    param = lambda name, init: self.param(name, init, shape).astype(jnp.float32)
    wide = lambda v: v.reshape((1,) * (x.ndim - v.ndim) + v.shape)
    mean = lambda v: v.mean(range(-self.over, 0), keepdims=True)
    y = x.astype(jnp.float32)
    if self.kind == "layer":
      y -= mean(y)
    y *= jax.lax.rsqrt(mean(jnp.square(y)) + self.eps)
    one = nn.initializers.constant(1 - self.offset)
    y *= wide(param("scales" if self.by_head else "scale", one) + self.offset)
    if self.bias:
      y += wide(param("bias", nn.initializers.zeros))
    return y.astype(x.dtype)


ACTIVATIONS = {
  "silu": nn.silu,
  "relu": nn.relu,
  "gelu": lambda x: nn.gelu(x, approximate=False),
  "gelu_tanh": lambda x: nn.gelu(x, approximate=True),
}


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def activated(name: str, gate: jax.Array, up: jax.Array | None = None) -> jax.Array:
  """activation(gate) * up, or activation(gate), computed in float32 and rounded once to gate's dtype.

  The backward pass keeps the arguments alone, and computes the activation again.
  """
  return _activated(name, *_wide((gate, up))).astype(gate.dtype)


def _wide(arrays):
  return jax.tree.map(lambda x: x.astype(jnp.float32), arrays)


def _activated(name: str, gate, up):
  y = ACTIVATIONS[name](gate)
  return y if up is None else y * up


def _activated_forward(name: str, gate, up):
  return activated(name, gate, up), (gate, up)


def _activated_backward(name: str, kept, dy):
  _, transposed = jax.vjp(partial(_activated, name), *_wide(kept))
  return jax.tree.map(lambda d, x: d.astype(x.dtype), transposed(dy.astype(jnp.float32)), kept)


activated.defvjp(_activated_forward, _activated_backward)
