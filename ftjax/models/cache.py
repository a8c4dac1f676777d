"""The KV cache: what earlier tokens left behind, as a value that goes in and comes out."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ftjax.models.config import ModelConfig


class LayerCache(NamedTuple):
  """One layer's keys (normed and turned by rope) and values, [B, K, S, H] in the compute dtype.

  Heads outside slots: see models/cached.py.
  """

  key: jax.Array
  value: jax.Array


class Cache(NamedTuple):
  """All layers' caches, and which document and position each of the S slots holds (segment 0 =
  empty)."""

  layers: tuple[LayerCache, ...]
  segments: jax.Array  # int32 [B, S]
  positions: jax.Array  # int32 [B, S]
  length: jax.Array  # int32 []: slots filled so far; new tokens go here
  lengths: jax.Array  # int32 [B]: how many tokens each row is made for (models/rope.py)


def make_cache(config: ModelConfig, batch: int, slots: int, dtype, lengths=None) -> Cache:
  """An empty cache for `batch` rows of up to `slots` tokens.

  lengths: int32 [B], how many tokens each row is going to have at most (default: `slots`), which
  matters to a rope that depends on it (Rope.by_length).
  """
  kv = lambda: jnp.zeros((batch, config.K, slots, config.H), dtype)
  ids = lambda: jnp.zeros((batch, slots), jnp.int32)
  layers = tuple(LayerCache(kv(), kv()) for _ in range(config.L))
  lengths = jnp.full(batch, slots, jnp.int32) if lengths is None else lengths
  return Cache(layers, ids(), ids(), jnp.int32(0), lengths)


def append(old: jax.Array, new: jax.Array, start: jax.Array) -> jax.Array:
  """`old` [B, S, ...] with `new` [B, T, ...] written from slot `start` on."""
  return jax.lax.dynamic_update_slice_in_dim(old, new.astype(old.dtype), start, axis=1)


def extend(cache: LayerCache, k_BTKH: jax.Array, v_BTKH: jax.Array, start: jax.Array) -> LayerCache:
  """The cache with keys and values of new tokens written from slot `start` on."""
  write = lambda old, new: jax.lax.dynamic_update_slice_in_dim(
    old, jnp.swapaxes(new, 1, 2).astype(old.dtype), start, axis=2
  )
  return LayerCache(write(cache.key, k_BTKH), write(cache.value, v_BTKH))
