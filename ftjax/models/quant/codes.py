"""Matrices in eight or four bits, and back: the numbers alone, of one matrix.

  int8   int8 [I, *out]           scale float32 [*out]: a column is int8 * scale
  int4   uint8 [n, 32, *out]      scales int8 [n, *out], step and mean float32 [n, *out[:-1], G]
  nf4    the same, with NF4's values in place of -7/7 ... 7/7

In four bits the I inputs are cut into n blocks of 64, the last filled up with zeros; byte j of a
block holds its inputs j (low half) and j + 32. A block's numbers are a code's value times the
block's largest size, and these sizes are quantized once more, in G groups of at most 256 along the
last dim of the outputs: int8 * step + mean. (QLoRA, Dettmers et al. 2023, sections 2 and 3, whose
mean is one for a whole matrix: one for each group lets a mesh split the matrix anywhere.)
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

BLOCK, GROUP = 64, 256
INT8 = "int8"
# Appendix E of the paper: quantiles of the normal distribution, zero among them.
NF4 = (
  -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
  -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
  0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
  0.7229568362236023, 1.0,
)  # fmt: skip
INT4 = tuple(i / 7 for i in range(-7, 8))
TABLES = {"int4": INT4, "nf4": NF4}
KINDS = (INT8, *TABLES)

Leaves = Mapping[str, jax.Array]


def shapes(kind: str, inputs: int, outputs: tuple[int, ...]) -> dict[str, tuple]:
  """{leaf: (shape, dtype)} of a matrix [inputs, *outputs]."""
  if kind == INT8:
    return {INT8: ((inputs, *outputs), jnp.int8), "scale": (outputs, jnp.float32)}
  n = blocks(inputs)
  group = (n, *outputs[:-1], groups(outputs[-1])), jnp.float32
  codes = (n, BLOCK // 2, *outputs), jnp.uint8
  return {kind: codes, "scales": ((n, *outputs), jnp.int8), "step": group, "mean": group}


def blocks(inputs: int) -> int:
  """How many blocks the inputs make."""
  return -(-inputs // BLOCK)


def groups(last: int) -> int:
  """How many groups of equal size, at most GROUP, the outputs' last dim makes."""
  return next(g for g in range(-(-last // GROUP), last + 1) if last % g == 0)


def quantize(kind: str, w: jax.Array, group: int = 0) -> dict[str, jax.Array]:
  """The leaves of a matrix [I, *out]. group: how many scales are quantized together, for a part of a
  matrix that has those of the whole; 0 = what `groups` says."""
  w = w.astype(jnp.float32)
  if kind == INT8:
    scale = jnp.abs(w).max(0) / 127
    return {INT8: _over(w, scale[None]).astype(jnp.int8), "scale": scale}
  inputs, *outputs = w.shape
  w = jnp.pad(w, [(0, -inputs % BLOCK)] + [(0, 0)] * len(outputs))
  w = w.reshape(-1, BLOCK, *outputs)
  size = jnp.abs(w).max(1)
  codes = nearest(_divided(w, size[:, None]), TABLES[kind])
  return {kind: pack(codes)} | quantize_scales(size, group)


def dequantize(leaves: Leaves, inputs: int, dtype=jnp.float32) -> jax.Array:
  """The matrix [inputs, *out], rounded once, to `dtype`."""
  kind = next(k for k in leaves if k in KINDS)
  if kind == INT8:
    return (leaves[INT8].astype(jnp.float32) * leaves["scale"][None]).astype(dtype)
  values = lookup(unpack(leaves[kind]), TABLES[kind])
  w = (values * dequantize_scales(leaves)[:, None]).astype(dtype)
  return w.reshape(-1, *w.shape[2:])[:inputs]


def nearest(x: jax.Array, table: tuple[float, ...]) -> jax.Array:
  """uint8: the code of the value that is nearest to each number."""
  middles = (np.asarray(table[1:], np.float32) + np.asarray(table[:-1], np.float32)) / 2
  return sum((x > m).astype(jnp.uint8) for m in middles)


def lookup(codes: jax.Array, table: tuple[float, ...]) -> jax.Array:
  """float32: the values of codes below 16, by selections along their bits, which every processor
  has vectors for, as it may not for gathers from a table.

  The first selections are between constants. They work on these as bits: a jnp.where would make
  arrays of them, which are the same at every step of a loop, moved out of it, and kept.
  """
  values = np.zeros(16, np.float32)
  values[: len(table)] = table
  bits = [int(v) for v in values.view(np.int32)]
  mask = -(codes & 1).astype(jnp.int32)
  chosen = [(mask & (a ^ b)) ^ a for a, b in zip(bits[::2], bits[1::2], strict=True)]
  for bit in (2, 4, 8):
    on = (codes & bit) != 0
    chosen = [jnp.where(on, b, a) for a, b in zip(chosen[::2], chosen[1::2], strict=True)]
  return jax.lax.bitcast_convert_type(chosen[0], jnp.float32)


def pack(codes: jax.Array) -> jax.Array:
  """[n, 64, ...] of codes below 16 -> [n, 32, ...] of two in a byte."""
  low, high = codes[:, : BLOCK // 2], codes[:, BLOCK // 2 :]
  return low | (high << 4)


def unpack(packed: jax.Array) -> jax.Array:
  """The inverse of `pack`."""
  return jnp.concatenate([packed & 15, packed >> 4], axis=1)


def quantize_scales(size: jax.Array, group: int = 0) -> dict[str, jax.Array]:
  """{"scales", "step", "mean"} of the blocks' sizes, float32 [n, *out]."""
  *lead, last = size.shape
  grouped = size.reshape(*lead, -1, group or last // groups(last))
  mean = grouped.mean(-1)
  centred = grouped - mean[..., None]
  step = jnp.abs(centred).max(-1) / 127
  scales = _over(centred, step[..., None]).astype(jnp.int8).reshape(size.shape)
  return {"scales": scales, "step": step, "mean": mean}


def dequantize_scales(leaves: Leaves) -> jax.Array:
  """float32 [n, *out]."""
  scales, step, mean = leaves["scales"], leaves["step"], leaves["mean"]
  grouped = scales.reshape(*step.shape, -1).astype(jnp.float32)
  return (grouped * step[..., None] + mean[..., None]).reshape(scales.shape)


def _over(x: jax.Array, step: jax.Array) -> jax.Array:
  """x in whole steps, within int8; 0 where the step is 0."""
  return jnp.clip(jnp.round(_divided(x, step)), -127, 127)


def _divided(x: jax.Array, by: jax.Array) -> jax.Array:
  return x / jnp.where(by > 0, by, 1)
