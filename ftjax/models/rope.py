"""Rotary position embedding (Su et al. 2021) and its scalings to longer contexts.

Reference: transformers/modeling_rope_utils.py. Two scalings depend on how long a document is:
`Dynamic` and `LongRope`. transformers takes the longest sequence of the batch that it happens to
run; here every document has its own length, so that a packed or padded document gets what it gets
alone:

  without a cache   its last position + 1 (document_lengths)
  with a cache      what the cache was made for, prompt and completion together (Cache.lengths):
                    keys that were turned once stay as they are, so all of them must be turned alike

Logits of an early token thus depend on how long its document becomes, in transformers and here.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Table(NamedTuple):
  """float32 [B, T, 1, dims / 2]: sine and cosine of the angle that each pair turns by."""

  sin: jax.Array
  cos: jax.Array


@dataclass(frozen=True)
class Linear:
  """Positions divided by `factor` (Chen et al. 2023)."""

  factor: float
  by_length = False

  def frequencies(self, rope: "Rope", lengths) -> np.ndarray:
    return rope.base / self.factor


@dataclass(frozen=True)
class Dynamic:
  """theta grows with a document beyond `length` (NTK-aware scaling; up to there nothing changes).

  theta' = theta * g ** (dims / (dims - 2)) with g = factor * n / length - (factor - 1) for a
  document of n tokens, which slows pair i by g ** (2 i / (dims - 2)).
  """

  factor: float
  length: int
  by_length = True

  def frequencies(self, rope: "Rope", lengths) -> jax.Array:
    pairs = np.arange(0, rope.dims, 2, dtype=np.float32) / max(rope.dims - 2, 1)
    growth = jnp.maximum(1, self.factor * lengths / self.length - (self.factor - 1))
    return rope.base.astype(np.float32)[None, None] * growth[..., None] ** -pairs[None, None]


@dataclass(frozen=True)
class Llama3:
  """Llama 3.1: wavelengths longer than length / low are slowed by `factor`, shorter than length /
  high are left, between them is a ramp."""

  factor: float
  low: float
  high: float
  length: int
  by_length = False

  def frequencies(self, rope: "Rope", lengths) -> np.ndarray:
    wavelength = 2 * math.pi / rope.base
    ramp = np.clip((self.length / wavelength - self.low) / (self.high - self.low), 0, 1)
    return (1 - ramp) * rope.base / self.factor + ramp * rope.base


@dataclass(frozen=True)
class Yarn:
  """Pairs that turn less than `slow` times within `length` are slowed by `factor`, more than `fast`
  times are left, between them is a ramp over the pairs (Peng et al. 2023)."""

  factor: float
  length: int
  fast: float = 32.0
  slow: float = 1.0
  truncate: bool = True  # the ramp's ends to whole pairs
  by_length = False

  def frequencies(self, rope: "Rope", lengths) -> np.ndarray:
    def pair_that_turns(times: float) -> float:
      return rope.dims * math.log(self.length / (times * 2 * math.pi)) / (2 * math.log(rope.theta))

    low, high = pair_that_turns(self.fast), pair_that_turns(self.slow)
    if self.truncate:
      low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, rope.dims - 1)
    width = high - low if high != low else 0.001  # as the reference avoids a division by zero
    ramp = np.clip((np.arange(rope.dims // 2) - low) / width, 0, 1)
    return ramp * rope.base / self.factor + (1 - ramp) * rope.base


@dataclass(frozen=True)
class LongRope:
  """A divisor for each pair: `long` for documents of more than `length` tokens, else `short` (Ding
  et al. 2024; "su" in the first Phi-3)."""

  short: tuple[float, ...]
  long: tuple[float, ...]
  length: int
  by_length = True

  def frequencies(self, rope: "Rope", lengths) -> jax.Array:
    short, long = (
      jnp.asarray((rope.base / np.array(f)).astype(np.float32))[None, None]
      for f in (self.short, self.long)
    )
    return jnp.where((lengths > self.length)[..., None], long, short)


Scaling = Linear | Dynamic | Llama3 | Yarn | LongRope


@dataclass(frozen=True)
class Rope:
  """How queries and keys are turned.

  dims: how many of each head's H dimensions turn, the first ones. interleaved: pairs are (0, 1),
  (2, 3), ... instead of (0, dims/2), (1, dims/2 + 1), .... attention_factor: sine and cosine are
  multiplied by it, so scores of what turns by its square.
  """

  theta: float
  dims: int
  interleaved: bool = False
  scaling: Scaling | None = None
  attention_factor: float = 1.0

  @property
  def base(self) -> np.ndarray:
    """float64 [dims / 2]: radians that each pair turns per position, before scaling."""
    return 1.0 / self.theta ** (np.arange(0, self.dims, 2, dtype=np.float64) / self.dims)

  @property
  def by_length(self) -> bool:
    """Whether the frequencies depend on how long the document is."""
    return self.scaling is not None and self.scaling.by_length


def table(rope: Rope, positions_BT: jax.Array, lengths_BT: jax.Array | None) -> Table:
  """The angles' sine and cosine, shared by all layers that use this rope.

  lengths_BT: int32, of each token's document; [B, 1] will do. Read where rope.by_length.
  """
  if rope.by_length:
    freq = rope.scaling.frequencies(rope, lengths_BT)
  else:
    freq = rope.scaling.frequencies(rope, None) if rope.scaling else rope.base
    freq = jnp.asarray(freq.astype(np.float32)).reshape(1, 1, -1)
  angle_BTR = positions_BT[..., None].astype(jnp.float32) * freq
  of = lambda fn: (fn(angle_BTR) * rope.attention_factor)[:, :, None]
  return Table(of(jnp.sin), of(jnp.cos))


def document_lengths(positions_BT: jax.Array, segments_BT: jax.Array) -> jax.Array:
  """int32 [B, T]: how many tokens each token's document has in this row."""
  same_BTS = segments_BT[:, :, None] == segments_BT[:, None, :]
  return jnp.where(same_BTS, positions_BT[:, None, :], 0).max(-1) + 1


def rotate(x_BTNH: jax.Array, table: Table, interleaved: bool) -> jax.Array:
  """Turns the first dims of every head by its position's angles, in float32."""
  sin, cos = table
  x, rest = jnp.split(x_BTNH.astype(jnp.float32), [2 * sin.shape[-1]], axis=-1)
  if interleaved:
    a, b = x[..., 0::2], x[..., 1::2]
    turned = jnp.stack([a * cos - b * sin, b * cos + a * sin], axis=-1).reshape(x.shape)
  else:
    a, b = jnp.split(x, 2, axis=-1)
    turned = jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
  return jnp.concatenate([turned, rest], axis=-1).astype(x_BTNH.dtype)
