"""Virtual tokens and the KV cache: their keys and values go in once, before anything is generated."""

import jax
import jax.numpy as jnp

from ftjax.models.adapters import kinds
from ftjax.models.cache import Cache, append, extend, make_cache
from ftjax.models.config import ModelConfig
from ftjax.models.decoder import Decoder
from ftjax.models.virtual import SHARED


def as_prefix(variables, config: ModelConfig, dtype):
  """The variables of Decoder(scan=False) with a prompt's vectors turned into the keys and values that
  they have in every layer, which are a prefix; as they are where there is no prompt."""
  tokens, _ = kinds.virtual(variables)
  if not tokens:
    return variables
  # Only these are a program's results: whatever a program gives back is a copy.
  keys = _keys_of(variables, config, config.V + jnp.arange(tokens), dtype)
  layers = {f"layer_{l}": {"attention": x} for l, x in enumerate(keys)}
  return {c: x for c, x in variables.items() if c != "prompt"} | {"prefix": layers}


def keys_of(variables, config: ModelConfig, ids_P, dtype) -> list[dict[str, jax.Array]]:
  """{"key", "value"} [P, K, H] of every layer, for these tokens at the first positions. variables: of
  Decoder(scan=False)."""
  P = ids_P.shape[0]
  row = lambda x: x.astype(jnp.int32)[None]
  cache = make_cache(config, 1, P, dtype)
  model = Decoder(config, dtype, scan=False)
  args = row(ids_P), row(jnp.arange(P)), row(jnp.full(P, SHARED))
  _, cache = model.apply(variables, *args, cache)
  first = lambda x_BKPH: jnp.swapaxes(x_BKPH[0], 0, 1)
  return [{"key": first(own.key), "value": first(own.value)} for own in cache.layers]


_keys_of = jax.jit(keys_of, static_argnames=("config", "dtype"))


def count(variables) -> int:
  """How many slots of a cache virtual tokens take."""
  return sum(kinds.virtual(variables))


def begin(cache: Cache, variables) -> Cache:
  """An empty cache with the prefix of `variables` (of Decoder(scan=False)) in every row."""
  P = count(variables)
  if not P:
    return cache
  B = cache.segments.shape[0]
  rows = lambda x: jnp.broadcast_to(x[None], (B, *x.shape))
  put = lambda old, new: append(old, rows(new), 0)
  layers = tuple(
    extend(old, rows(own["key"]), rows(own["value"]), 0)
    for l, old in enumerate(cache.layers)
    for own in [variables["prefix"][f"layer_{l}"]["attention"]]
  )
  segments = put(cache.segments, jnp.full(P, SHARED))
  positions = put(cache.positions, jnp.arange(P))
  return Cache(layers, segments, positions, jnp.int32(P), cache.lengths)
