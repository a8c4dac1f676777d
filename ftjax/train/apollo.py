"""APOLLO (Zhu et al. 2025, arXiv 2412.05270): Adam's step sizes from a random projection of the
gradient, so that a matrix of m x n numbers has moments of 2 x rank x n, m being its shorter side.

  R = P G                      P [rank, m], normal with variance 1 / rank
  s_j = |Adam(R)_j| / |R_j|    for every column j
  update = G diag(s) sqrt(m / rank)

The last factor is that of the paper's theorem: a column of Adam's step is longer by the root of what
the projection left out. With it a learning rate means what it means to AdamW. P is drawn anew every
200 updates from a seed, and is never stored; an update is at most 1.01 times as long as the one before.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

RENEWED = 200  # updates
GROWTH = 1.01


class ApolloState(NamedTuple):
  """Moments of the projected gradients."""

  count: jax.Array  # int32 []
  mu: Any  # float32 [matrices, rank, n]
  nu: Any
  size: Any  # float32 [matrices]: the Frobenius norm of the last update


def scale_by_apollo(
  b1: float, b2: float, eps: float, rank: int, sides: Callable[[Any], Any], seed: int = 0
) -> optax.GradientTransformation:
  """Steps of the size of Adam's, for leaves that hold matrices.

  rank: of the projection; where a matrix has a shorter side, that. sides: fn(params) -> for each leaf
  its optax.contrib.MuonDimensionNumbers; the dims before count matrices.
  """

  def init(params):
    shapes = jax.tree.map(lambda x, d: _shape(x, d), params, sides(params))
    low = lambda s: jnp.zeros((s.count, min(rank, s.short), s.long), jnp.float32)
    pick = lambda fn: jax.tree.map(fn, shapes, is_leaf=lambda s: isinstance(s, _Shape))
    size = pick(lambda s: jnp.zeros(s.count, jnp.float32))
    return ApolloState(jnp.zeros((), jnp.int32), pick(low), pick(low), size)

  def update(grads, state, params=None):
    del params
    count = optax.safe_increment(state.count)
    key = jax.random.fold_in(jax.random.key(seed), state.count // RENEWED)
    corrections = [1 - b ** count.astype(jnp.float32) for b in (b1, b2)]
    leaves, treedef = jax.tree.flatten(grads)
    if not leaves:  # nothing but tables and vectors is trained
      return grads, state._replace(count=count)
    dims = treedef.flatten_up_to(sides(grads))
    stored = [treedef.flatten_up_to(x) for x in state[1:]]
    out = []
    for i, (g, d, m, v, last) in enumerate(zip(leaves, dims, *stored, strict=True)):
      shape = _shape(g, d)
      g_MSL = _matrices(g.astype(jnp.float32), shape)
      p_RS = jax.random.normal(jax.random.fold_in(key, i), (m.shape[1], shape.short))
      r_MRL = jnp.einsum("rs,msl->mrl", p_RS / math.sqrt(m.shape[1]), g_MSL)
      m = b1 * m + (1 - b1) * r_MRL
      v = b2 * v + (1 - b2) * jnp.square(r_MRL)
      step_MRL = (m / corrections[0]) / (jnp.sqrt(v / corrections[1]) + eps)
      norm = lambda x: jnp.sqrt(jnp.square(x).sum(-2, keepdims=True))
      scale_M1L = norm(step_MRL) / jnp.maximum(norm(r_MRL), 1e-30)
      step_MSL = g_MSL * scale_M1L * math.sqrt(shape.short / m.shape[1])
      size_M = jnp.sqrt(jnp.square(step_MSL).sum((-2, -1)))
      most_M = jnp.where(last > 0, GROWTH * last, size_M)
      step_MSL *= jnp.minimum(1, most_M / jnp.maximum(size_M, 1e-30))[:, None, None]
      out.append((_back(step_MSL, shape), m, v, jnp.minimum(size_M, most_M)))
    step, *moments = (treedef.unflatten(x) for x in zip(*out, strict=True))
    return step, ApolloState(count, *moments)

  return optax.GradientTransformation(init, update)


class _Shape(NamedTuple):
  """A leaf as matrices whose first side is the shorter one."""

  shape: tuple[int, ...]
  count: int
  inputs: int
  outputs: int

  @property
  def short(self) -> int:
    return min(self.inputs, self.outputs)

  @property
  def long(self) -> int:
    return max(self.inputs, self.outputs)


def _shape(x, dims) -> _Shape:
  size = lambda axes: math.prod(x.shape[a] for a in axes)
  inputs, outputs = size(dims.reduction_axis), size(dims.output_axis)
  return _Shape(x.shape, math.prod(x.shape) // (inputs * outputs), inputs, outputs)


def _matrices(x: jax.Array, shape: _Shape) -> jax.Array:
  """[matrices, short, long]; inputs stand before outputs in every leaf."""
  x = x.reshape(shape.count, shape.inputs, shape.outputs)
  return x if shape.inputs <= shape.outputs else x.swapaxes(1, 2)


def _back(x: jax.Array, shape: _Shape) -> jax.Array:
  return (x if shape.inputs <= shape.outputs else x.swapaxes(1, 2)).reshape(shape.shape)
