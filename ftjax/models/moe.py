"""A mixture of experts in the MLP's place (Shazeer et al. 2017), exact: every token reaches all the
experts that it was sent to.

    x -> router -> the k highest of E scores, as gates --------------------------+
      -> a row for each (token, expert), sorted by expert -> gate_up -> down -> times its gate, summed
         over the token's k rows -> y
"""

import functools
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P

from ftjax.config import InputError
from ftjax.models.adapters import low_rank
from ftjax.models.config import Experts, ModelConfig
from ftjax.models.grouped import grouped_dot
from ftjax.models.layers import Linear, activated
from ftjax.models.quant import base
from ftjax.parallel.mesh import BATCH, TIME, ambient, fit


class MoE(nn.Module):
  """The router, and experts that are each a gated MLP.

  The loss that pushes a router towards equal loads is no part of this: like transformers, where it
  is off unless output_router_logits asks for it, plain fine-tuning does without.
  """

  config: ModelConfig
  dtype: jnp.dtype
  dropout: float = 0.0  # of adapters

  @nn.compact
  def __call__(self, x_BTD: jax.Array, train: bool) -> jax.Array:
    c, e = self.config, self.config.experts
    # In float32: a choice between experts should not hang on bfloat16's eight bits.
    router = Linear((c.D,), (e.count,), bias=e.bias, dropout=self.dropout, name="router")
    gates_BTk, ids_BTk = route(router(x_BTD, train), e)
    kernels = lambda i, o, name: Kernels(
      e.count, i, o, e.bias, self.dtype, self.dropout, name=name
    )(train)
    up, down = kernels((c.D,), (2, c.F), "gate_up"), kernels((c.F,), (c.D,), "down")
    bias_ED, down = down.bias, down._replace(bias=None)
    mixture = functools.partial(_over_the_mesh, c=c)
    if isinstance(up.kernel, Mapping):  # Experts in full must not outlive their products.
      mixture = jax.checkpoint(functools.partial(_dequantized, c=c), prevent_cse=False)
    y_BTD = mixture(x_BTD.astype(self.dtype), gates_BTk, ids_BTk, up, down)
    if bias_ED is not None:
      gates_BTE = (jax.nn.one_hot(ids_BTk, e.count) * gates_BTk[..., None]).sum(2)
      y_BTD += gates_BTE.astype(self.dtype) @ bias_ED
    return y_BTD


def route(logits_BTE: jax.Array, experts: Experts) -> tuple[jax.Array, jax.Array]:
  """(gates float32 [B, T, k], ids int32 [B, T, k]) of the experts that each token goes to; of equal
  scores the first counts as higher."""
  gates_BTk, ids_BTk = jax.lax.top_k(
    jax.nn.softmax(logits_BTE.astype(jnp.float32), axis=-1), experts.per_token
  )
  if experts.normalised:
    gates_BTk /= gates_BTk.sum(-1, keepdims=True)
  return gates_BTk, ids_BTk


class Weights(NamedTuple):
  """The matrices of all experts, flat, with the scaled adapter where there is one."""

  kernel: jax.Array  # [E, in, *out], or its leaves where it is quantized
  bias: jax.Array | None  # [E, *out]
  a: jax.Array | None  # [E, in, r]
  b: jax.Array | None  # [E, r, *out]


class Kernels(nn.Module):
  """One kernel for each expert and, as in Linear, a low-rank pair beside it."""

  count: int
  shape_in: tuple[int, ...]
  shape_out: tuple[int, ...]
  bias: bool
  dtype: jnp.dtype
  dropout: float

  @nn.compact
  def __call__(self, train: bool) -> Weights:
    init = nn.initializers.variance_scaling(
      1.0, "fan_in", "normal", in_axis=1, out_axis=range(-len(self.shape_out), 0), batch_axis=0
    )
    kernel = self.variables.get(base.COLLECTION)
    if not kernel:
      kernel = self.param("kernel", init, (self.count, *self.shape_in, *self.shape_out))
    bias = (
      self.param("bias", nn.initializers.zeros, (self.count, *self.shape_out))
      if self.bias
      else None
    )
    a, b = low_rank.pair(self.variables, self.dtype)
    if a is not None and self.dropout and train:
      raise InputError(
        f"adapter.dropout={self.dropout} with adapters on experts ({self.name}): like PEFT, ftjax "
        "has none there. Set adapter.dropout=0, or leave experts and router out of "
        "adapter.targets."
      )
    bias, a, b = jax.tree.map(lambda x: x.astype(self.dtype), (bias, a, b))
    if not isinstance(kernel, Mapping):
      kernel = kernel.astype(self.dtype)
    return Weights(kernel, bias, a, b)


def _dequantized(x_BTD, gates, ids, up: Weights, down: Weights, c: ModelConfig) -> jax.Array:
  """_over_the_mesh, of kernels that are quantized."""
  made = lambda w, i, o: w._replace(kernel=base.kernel(w.kernel, i, o, x_BTD.dtype))
  up, down = made(up, (c.D,), (2, c.F)), made(down, (c.F,), (c.D,))
  return _over_the_mesh(x_BTD, gates, ids, up, down, c)


def _over_the_mesh(x_BTD, gates, ids, up: Weights, down: Weights, c: ModelConfig) -> jax.Array:
  """_mixture, each device with the tokens of the batch, the experts and the part of F that are its
  own.

  Sorting would otherwise mix the tokens of all devices. Where the mesh spreads whole experts, their
  devices gather each other's tokens, each runs those that its own experts get, and the sums are
  scattered back: loads differ, so each has to be ready for all tokens.
  """
  mesh = ambient()
  if mesh is None:
    return _mixture(x_BTD, gates, ids, up, down, c)
  rows = fit(P(BATCH, TIME), x_BTD.shape, mesh)
  spread = fit(P(("expert",)), (c.experts.count,), mesh)[0]
  shared = "expert" not in _axes(rows[0])  # The rows do not divide: all have the same ones.
  split = fit(P("tensor"), (c.F,), mesh)[0]
  specs_up = Weights(
    kernel=P(spread, None, None, split),
    bias=P(spread, None, split),
    a=P(spread),
    b=P(spread, None, None, split),
  )
  specs_down = Weights(kernel=P(spread, split), bias=P(spread), a=P(spread, split), b=P(spread))

  def local(x_BTD, gates, ids, up, down):
    if spread:
      gather = lambda v: v if shared else jax.lax.all_gather(v, spread, tiled=True)
      x_BTD, gates, ids = map(gather, (x_BTD, gates, ids))
      ids -= jax.lax.axis_index(spread) * up.kernel.shape[0]
    y_BTD = _mixture(x_BTD, gates, ids, up, down, c)
    if spread:
      y_BTD = (
        jax.lax.psum(y_BTD, spread) if shared else jax.lax.psum_scatter(y_BTD, spread, tiled=True)
      )
    return jax.lax.psum(y_BTD, split) if split else y_BTD

  specs = (rows, rows, rows, specs_up, specs_down)
  over = jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=rows, check_vma=False)
  return over(x_BTD, gates, ids, up, down)


def _mixture(x_BTD, gates_BTk, ids_BTk, up: Weights, down: Weights, c: ModelConfig) -> jax.Array:
  """The gated sum of the experts' outputs, [B, T, D]."""
  B, T, D = x_BTD.shape
  E, k = up.kernel.shape[0], ids_BTk.shape[-1]
  expert_of = ids_BTk.reshape(-1)  # [R = B * T * k]
  expert_of = jnp.where((expert_of >= 0) & (expert_of < E), expert_of, E)  # others' come last
  order = jnp.argsort(expert_of, stable=True)
  sizes_E = jnp.bincount(expert_of, length=E + 1)[:E].astype(jnp.int32)
  expert_of = expert_of[order]
  own = (lambda y: y) if E == c.experts.count else partial(_where, expert_of < E)
  x_RD = own(x_BTD.reshape(-1, D)[order // k])
  h_RF = _gated(_apply(x_RD, up, sizes_E, expert_of), c)
  y_RD = own(_apply(h_RF, down, sizes_E, expert_of))[jnp.argsort(order)]
  gates = gates_BTk.astype(y_RD.dtype)
  return jnp.einsum("BTkD,BTk->BTD", y_RD.reshape(B, T, k, D), gates)


def _where(keep_R, y_RD):
  """Zero in rows that are not to be kept, whatever stands there."""
  return jnp.where(keep_R[:, None], y_RD, 0)


def _axes(part) -> tuple[str, ...]:
  return (part,) if isinstance(part, str) else part or ()


def _apply(x_RI, w: Weights, sizes_E, expert_of) -> jax.Array:
  """[R, *out]: every row through the kernel of its expert."""
  flat = lambda w: w.reshape(*w.shape[:2], -1)
  y = grouped_dot(x_RI, flat(w.kernel), sizes_E)
  if w.a is not None:
    y += grouped_dot(grouped_dot(x_RI, w.a, sizes_E), flat(w.b), sizes_E)
  y = y.reshape(-1, *w.kernel.shape[2:])
  return y if w.bias is None else y + w.bias[expert_of]


def _gated(h_RCF: jax.Array, c: ModelConfig) -> jax.Array:
  """[R, F] from gate (C = 0) and up (C = 1)."""
  gate, up = h_RCF[:, 0], h_RCF[:, 1]
  limit = c.experts.swiglu_limit
  if not limit:
    return activated(c.activation, gate, up)
  gate, up = jnp.minimum(gate, limit), jnp.clip(up, -limit, limit)
  return (up + 1) * gate * jax.nn.sigmoid(c.experts.swiglu_alpha * gate)
