"""The KV cache: what earlier tokens left behind, as a value that goes in and comes out."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ftjax.models.config import ModelConfig


class LayerCache(NamedTuple):
  """One layer's keys (turned by rope) and values, [B, S, K, H] in the compute dtype."""

  key: jax.Array
  value: jax.Array


class Cache(NamedTuple):
  """All layers' caches, and which document and position each of the S slots holds (segment 0 =
  empty)."""

  layers: tuple[LayerCache, ...]
  segments: jax.Array  # int32 [B, S]
  positions: jax.Array  # int32 [B, S]
  length: jax.Array  # int32 []: slots filled so far; new tokens go here


def make_cache(config: ModelConfig, batch: int, slots: int, dtype) -> Cache:
  """An empty cache for `batch` rows of up to `slots` tokens."""
  kv = lambda: jnp.zeros((batch, slots, config.K, config.H), dtype)
  ids = lambda: jnp.zeros((batch, slots), jnp.int32)
  return Cache(tuple(LayerCache(kv(), kv()) for _ in range(config.L)), ids(), ids(), jnp.int32(0))


def append(old: jax.Array, new: jax.Array, start: jax.Array) -> jax.Array:
  """`old` [B, S, ...] with `new` [B, T, ...] written from slot `start` on."""
  return jax.lax.dynamic_update_slice_in_dim(old, new.astype(old.dtype), start, axis=1)
