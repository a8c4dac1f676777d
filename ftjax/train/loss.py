"""Cross-entropy of the next token, over chunks of tokens, with the vocabulary's logits never whole
in memory."""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ftjax.models import bf16
from ftjax.models.head import Head, logits, times_slope
from ftjax.parallel.mesh import BATCH, SHARDS, TIME, ambient, constrain, rows_split


def next_token_loss(
  hidden_BTD: jax.Array,
  head: Head,
  targets_BT: jax.Array,
  weights_BT: jax.Array,
  *,
  chunk: int = 512,
  smoothing: float = 0.0,
) -> tuple[jax.Array, jax.Array]:
  """(sum of weighted cross-entropies in nats, float32 []; the same sum of each row, float32 [B],
  without gradient).

  The forward pass of a differentiated call computes the gradients as well, chunk by chunk, while
  the logits are at hand (Hsu et al. 2024, "Liger Kernel"): no [B, T, V] array exists and no logit
  is computed twice. The gradient of the head is computed only where somebody differentiates it.
  Each chunk holds about `chunk` tokens of every device, and only tokens that carry weight come into
  one: prompts and padding have no logits.

  smoothing: this share of each target goes to all tokens alike (Szegedy et al. 2016, section 7; as
  torch's cross_entropy(label_smoothing=) has it).
  """
  if head.kernel.shape[1 if head.tied else 0] != hidden_BTD.shape[-1]:
    raise ValueError(f"tied={head.tied} does not go with a head of shape {head.kernel.shape}")
  mesh, shape = ambient(), targets_BT.shape
  split = 1 if mesh is None else rows_split(mesh) * mesh.shape[TIME]
  if mesh is None or mesh.size == 1:  # All rows as one: a chunk may end in the middle of one.
    line = lambda x: x.reshape(1, -1, *x.shape[2:])
    hidden_BTD, targets_BT, weights_BT = map(line, (hidden_BTD, targets_BT, weights_BT))
  length = _chunk_length(hidden_BTD.shape, chunk * split)
  total, nll_BT = _loss(length, smoothing, hidden_BTD, head, targets_BT, weights_BT)
  return total, nll_BT.reshape(shape).sum(-1)


def _chunk_length(shape, chunk: int) -> int:
  """The smallest number of equal chunks of T with at most `chunk` tokens each (at least one of
  every row): how long they are. The last one is filled up."""
  B, T, _ = shape
  pieces = -(-B * T // chunk)
  return -(-T // min(pieces, T))


def _gathered(head: Head, dtype) -> Head:
  """The head as all chunks use it: gathered over the mesh once, not for every chunk."""
  places = ("tensor", None) if head.tied else (None, "tensor")
  return replace(head, kernel=constrain(head.kernel.astype(dtype), *places))


def _shards(T: int) -> int:
  """Over how many devices the tokens of a row are split."""
  mesh = ambient()
  size = 1 if mesh is None else mesh.shape[TIME]
  return 1 if T % size else size


class Order(NamedTuple):
  """Tokens that carry weight first, each row for itself (rows may live on different devices).

  at: int32 [B, P], the position that each place holds; P is T, filled up to whole chunks. place:
  int32 [B, T], its inverse. chunks: int32 [], how many of them hold such a token.
  """

  at: jax.Array
  place: jax.Array
  chunks: jax.Array


def _order(weights_BT, length: int) -> Order:
  trained_BT = weights_BT > 0
  at_BT = jnp.argsort(~trained_BT, axis=1, stable=True).astype(jnp.int32)
  place_BT = jnp.argsort(at_BT, axis=1).astype(jnp.int32)
  chunks = -(-trained_BT.sum(1, dtype=jnp.int32).max() // length)
  return Order(jnp.pad(at_BT, ((0, 0), (0, -at_BT.shape[1] % length))), place_BT, chunks)


def _take(i, order: Order, length: int, hidden_BTD, targets_BT, weights_BT):
  """Chunk i of the three; what fills up the last one has weight 0."""
  T = targets_BT.shape[1]
  at_BC = jax.lax.dynamic_slice_in_dim(order.at, i * length, length, axis=1)
  h_BCD = jnp.take_along_axis(hidden_BTD, at_BC[..., None], axis=1)
  targets_BC, weights_BC = (jnp.take_along_axis(x, at_BC, 1) for x in (targets_BT, weights_BT))
  real_C = i * length + jnp.arange(length) < T
  h_BCD = constrain(h_BCD, BATCH, TIME, None)
  return h_BCD, targets_BC, jnp.where(real_C[None], weights_BC, 0.0)


def _put(x_BP, part_BC, i):
  """x with chunk i's part in its place."""
  return jax.lax.dynamic_update_slice_in_dim(x_BP, part_BC, i * part_BC.shape[1], axis=1)


def _back(x_BP, order: Order):
  """From places to positions: [B, T, ...]."""
  place = order.place.reshape(*order.place.shape, *(1,) * (x_BP.ndim - 2))
  return jnp.take_along_axis(x_BP, place, axis=1)


def _scores(h_BCD, head, targets_BC, weights_BC, smoothing):
  """One chunk's logits, their exponentials and the sums of these, and the weighted losses, all
  float32."""
  s_BCV = constrain(logits(h_BCD, head), BATCH, TIME, "tensor")
  target_BC = jnp.take_along_axis(s_BCV, targets_BC[..., None], axis=-1)[..., 0]
  if smoothing:
    mean_BC = jnp.where(jnp.isfinite(s_BCV), s_BCV, 0).sum(-1) / _real(head, s_BCV)
    target_BC = (1 - smoothing) * target_BC + smoothing * mean_BC
  top_BC = jax.lax.stop_gradient(s_BCV.max(-1))
  e_BCV = jnp.exp(s_BCV - top_BC[..., None])
  z_BC = e_BCV.sum(-1)
  # A weight of 0 silences a token even where its loss is not finite (padding after an overflow).
  nll_BC = jnp.where(weights_BC > 0, (jnp.log(z_BC) + top_BC - target_BC) * weights_BC, 0.0)
  return s_BCV, e_BCV, z_BC, nll_BC


def _real(head, s_BCV) -> int:
  """Tokens of the vocabulary, without the rows that pad it (whose logits are -inf)."""
  return s_BCV.shape[-1] - head.padding


def _primal(length, smoothing, hidden_BTD, head, targets_BT, weights_BT):
  head = _gathered(head, hidden_BTD.dtype)
  hidden_BTD = constrain(hidden_BTD, BATCH, None, None)
  order = _order(weights_BT, length)

  def one(i, nll_BP):
    xs = _take(i, order, length, hidden_BTD, targets_BT, weights_BT)
    return _put(nll_BP, _scores(xs[0], head, *xs[1:], smoothing)[-1], i)

  nll_BP = jax.lax.fori_loop(0, order.chunks, one, jnp.zeros(order.at.shape, jnp.float32))
  return nll_BP.sum(), _back(nll_BP, order)


_loss = jax.custom_vjp(_primal, nondiff_argnums=(0, 1))


def _parts(B: int, T: int) -> tuple[int, ...]:
  """(devices that split rows, devices that split T) where there are such, else ()."""
  mesh = ambient()
  rows = 1 if mesh is None or B % rows_split(mesh) else rows_split(mesh)
  return (rows, _shards(T)) if rows * _shards(T) > 1 else ()


def _products(left_BCX, right_BCY, parts, places):
  """float32 [X, Y], summed over tokens; or [*parts, X, Y], each device's own sum, so that devices add
  theirs up once and not for every chunk."""
  if bf16.applies(left_BCX.dtype):
    left_CX, right_CY = (x.reshape(-1, x.shape[-1]) for x in (left_BCX, right_BCY))
    return bf16.product(bf16.turned(left_CX), right_CY)
  if not parts:
    contract = (((0, 1), (0, 1)), ((), ()))
    return jax.lax.dot_general(left_BCX, right_BCY, contract, preferred_element_type=jnp.float32)
  (R, S), (B, C) = parts, left_BCX.shape[:2]
  apart = lambda x: x.reshape(R, B // R, S, C // S, -1)
  contract = (((1, 3), (1, 3)), ((0, 2), (0, 2)))
  y = jax.lax.dot_general(
    apart(left_BCX), apart(right_BCY), contract, preferred_element_type=jnp.float32
  )
  return constrain(y, *places)


def _forward(length, smoothing, hidden_BTD, head, targets_BT, weights_BT):
  train_kernel, train_bias = head.kernel.perturbed, head.bias is not None and head.bias.perturbed
  bias = head.bias.value if head.bias is not None else None
  head = replace(head, kernel=head.kernel.value, bias=bias)
  hidden_BTD, targets_BT, weights_BT = hidden_BTD.value, targets_BT.value, weights_BT.value
  own, head = head, _gathered(head, hidden_BTD.dtype)
  parts = _parts(hidden_BTD.shape[0], length)
  places = (BATCH, TIME)[: len(parts)] + (("tensor", None) if head.tied else (None, "tensor"))
  hidden_BTD = constrain(hidden_BTD, BATCH, None, None)

  # XLA's CPU backend writes a part of a bfloat16 array by converting all of it, twice.
  wide = jnp.float32 if bf16.applies(hidden_BTD.dtype) else hidden_BTD.dtype
  order = _order(weights_BT, length)

  def one(i, carry):
    d_kernel, d_bias, nll_BP, d_hidden_BPD = carry
    h_BCD, targets_BC, weights_BC = _take(i, order, length, hidden_BTD, targets_BT, weights_BT)
    s_BCV, e_BCV, z_BC, nll_BC = _scores(h_BCD, head, targets_BC, weights_BC, smoothing)
    is_target = jax.lax.broadcasted_iota(jnp.int32, e_BCV.shape, 2) == targets_BC[..., None]
    d_BCV = e_BCV * (weights_BC / z_BC)[..., None] - jnp.where(
      is_target, (1 - smoothing) * weights_BC[..., None], 0.0
    )
    if smoothing:  # but for the columns that pad the vocabulary, whose logits are -inf
      share_BC = smoothing / _real(head, s_BCV) * weights_BC
      d_BCV -= jnp.where(jnp.isfinite(s_BCV), share_BC[..., None], 0.0)
    d_BCV = times_slope(d_BCV, s_BCV, head)
    if train_bias:
      d_bias += d_BCV.sum((0, 1))
    d_BCV = d_BCV.astype(h_BCD.dtype)
    if train_kernel:
      left, right = (d_BCV, h_BCD) if head.tied else (h_BCD, d_BCV)
      d_kernel += _products(left, right, parts, places)
    axes = ((2,), (0 if head.tied else 1,)), ((), ())
    kernel = head.kernel.astype(h_BCD.dtype)
    d_h_BCD = jax.lax.dot_general(d_BCV, kernel, axes, preferred_element_type=wide)
    return d_kernel, d_bias, _put(nll_BP, nll_BC, i), _put(d_hidden_BPD, d_h_BCD, i)

  shape = (*parts, *head.kernel.shape)
  start = (
    constrain(jnp.zeros(shape, jnp.float32), *places) if train_kernel else None,
    jnp.zeros(bias.shape, jnp.float32) if train_bias else None,
    jnp.zeros(order.at.shape, jnp.float32),
    jnp.zeros((*order.at.shape, hidden_BTD.shape[-1]), wide),
  )
  carry = jax.lax.fori_loop(0, order.chunks, one, start)
  d_kernel, d_bias, nll_BP, d_hidden_BPD = carry
  d_hidden_BPD = d_hidden_BPD.astype(hidden_BTD.dtype)
  if train_kernel and parts:
    home = ("tensor", SHARDS) if head.tied else (SHARDS, "tensor")
    d_kernel = constrain(d_kernel.sum((0, 1)), *home)
    # Before the layers' backward pass begins: else whole sums wait on every device until the
    # optimizer reads its part of them.
    d_kernel, d_hidden_BPD = jax.lax.optimization_barrier((d_kernel, d_hidden_BPD))
  like = jax.tree.map(lambda x: x[:0], own)  # residuals must be arrays: these carry only dtypes
  out = nll_BP.sum(), _back(nll_BP, order)
  return out, (_back(d_hidden_BPD, order), d_kernel, d_bias, like)


def _backward(length, smoothing, saved, cotangents):
  del length, smoothing
  d_hidden_BTD, d_kernel, d_bias, like = saved
  g = cotangents[0]  # of the sum; the rows carry no gradient
  scale = lambda d, like: None if d is None else (d * g).astype(like.dtype)
  head = replace(like, kernel=scale(d_kernel, like.kernel), bias=scale(d_bias, like.bias))
  return scale(d_hidden_BTD, d_hidden_BTD), head, None, None


_loss.defvjp(_forward, _backward, symbolic_zeros=True)
