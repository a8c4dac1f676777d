"""The device's half of generation: a prefill of left-padded prompts, then a loop of single tokens
with a KV cache.

Three prompts of one batch, in 8 slots of cache ("." is padding, segment 0; lower case was
prefilled, upper case decoded):

    . . a b c | D E F        positions 0 0 0 1 2 | 3 4 5
    a b c d e | F G H                  0 1 2 3 4 | 5 6 7
    . . . . a | B C D                  0 0 0 0 0 | 1 2 3

Left padding puts every row's next token into the same slot. Positions count from each row's own
first token and padding is another segment (view.visible), so a row's result depends neither on
the padding nor on its neighbours.
"""

import zlib
from collections import Counter
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ftjax.config import InputError
from ftjax.generate.sampling import Dials, Parts, choose, penalize
from ftjax.models import decoder, prefixes
from ftjax.models.cache import Cache, make_cache
from ftjax.models.config import ModelConfig

CHUNK = (
  32  # tokens that one call on the device writes at most, before the host looks at stop strings
)
NONE = -1  # what a finished row writes
WIDEST = 1 << 29  # bytes of a prefill's widest values: scores of attention, hidden values of an MLP


class State(NamedTuple):
  """Between two tokens.

  logits: float32 [B, V], of the token to choose next. position: int32 [B], its position. done: bool
  [B]. count: int32, tokens chosen so far. seen: bool [B, V], ids in the prompt or the completion
  ([B, 0] without repetition penalty).
  """

  cache: Cache
  logits: jax.Array
  position: jax.Array
  done: jax.Array
  count: jax.Array
  seen: jax.Array


class Choice(NamedTuple):
  """What choosing a token needs beside its logits; the same throughout a generation.

  keys: a key a row. stops: int32 [E], the ids that end a row. minimum: int32, tokens before which
  they may not come.
  """

  keys: jax.Array
  dials: Dials
  stops: jax.Array
  minimum: jax.Array


class Program(NamedTuple):
  """What a model's programs are compiled for."""

  config: ModelConfig
  dtype: jnp.dtype
  attention: str


@partial(jax.jit, static_argnames=("program", "slots"))
def prefill(variables, tokens_BT, segments_BT, most, program: Program, slots: int):
  """(logits of every row's first new token, float32 [B, V]; a cache of `slots` slots with the
  prompts in it).

  variables: of Decoder(scan=False). Prompts are left-padded: segment 1 for tokens, 0 for padding.
  They go through the model in pieces of as many positions as WIDEST allows: at once, 32 prompts of
  2,048 tokens would take 24 GiB for the scores of one layer of an 8B model. most: int32 [B], how many
  tokens may follow each: a rope that depends on a document's length takes that of prompt and
  completion together.
  """
  positions_BT = jnp.maximum(jnp.cumsum(segments_BT, axis=1) - 1, 0)
  virtual = prefixes.count(variables)
  lengths_B = segments_BT.sum(1) + most + virtual
  cache = make_cache(program.config, tokens_BT.shape[0], slots + virtual, program.dtype, lengths_B)
  cache = prefixes.begin(cache, variables)
  size = _piece(program.config, *tokens_BT.shape, slots + virtual)
  inputs = tokens_BT, positions_BT, segments_BT

  def advance(i, carry):
    piece = (jax.lax.dynamic_slice_in_dim(x, i * size, size, axis=1) for x in inputs)
    return _hidden(variables, *piece, carry[1], program)

  count = tokens_BT.shape[1] // size
  if count == 1:
    hidden_BD, cache = _hidden(variables, *inputs, cache, program)
  else:
    like = jax.eval_shape(lambda: advance(0, (None, cache)))[0]
    hidden_BD, cache = jax.lax.fori_loop(
      0, count, advance, (jnp.zeros(like.shape, like.dtype), cache)
    )
  return decoder.logits(hidden_BD, decoder.head(variables, program.config)), cache


@partial(jax.jit, static_argnames=("program", "parts"), donate_argnames="state")
def decode(variables, state: State, limit, choice: Choice, program: Program, parts: Parts):
  """Up to `limit` (int32, at most CHUNK) tokens more: (int32 [B, CHUNK], state). Finished rows, and
  the columns after the limit, hold NONE.

  Stops early when all rows are done. The state is donated: the cache is written in place.
  """
  out_BC = jnp.full((state.done.shape[0], CHUNK), NONE, jnp.int32)
  one_B1 = jnp.ones_like(state.position)[:, None]

  def more(carry):
    out_BC, state, i = carry
    return (i < limit) & ~state.done.all()

  def step(carry):
    out_BC, state, i = carry
    token_B = _choose(state, choice, parts)
    written_B = jnp.where(state.done, NONE, token_B)
    out_BC = jax.lax.dynamic_update_index_in_dim(out_BC, written_B, i, axis=1)
    seen = state.seen
    if parts.penalty:
      seen = seen.at[jnp.arange(len(token_B)), token_B].set(True)
    hidden_BD, cache = _hidden(
      variables, token_B[:, None], state.position[:, None], one_B1, state.cache, program
    )
    logits_BV = decoder.logits(hidden_BD, decoder.head(variables, program.config))
    done_B = state.done | (token_B[:, None] == choice.stops[None]).any(1)
    return out_BC, State(cache, logits_BV, state.position + 1, done_B, state.count + 1, seen), i + 1

  out_BC, state, _ = jax.lax.while_loop(more, step, (out_BC, state, jnp.int32(0)))
  return out_BC, state


def _piece(config: ModelConfig, B: int, T: int, slots: int) -> int:
  """How many of T positions of B prompts go through the model at a time: all, or a half, a quarter,
  ..., whose widest values are no more than WIDEST bytes."""
  size, wide = T, config.N * slots + 2 * config.F
  while size % 2 == 0 and 4 * B * size * wide > WIDEST:
    size //= 2
  return size


def _hidden(variables, tokens_BT, positions_BT, segments_BT, cache, program: Program):
  """(hidden [B, D] of the last tokens, the cache with all of them)."""
  config, dtype, attention = program
  # Unrolled, not scanned: a scan would slice every layer's weights and cache out of a stack at
  # every token.
  model = decoder.Decoder(config, dtype, attention, scan=False)
  hidden_BTD, cache = model.apply(variables, tokens_BT, positions_BT, segments_BT, cache)
  return hidden_BTD[:, -1], cache


def _choose(state: State, choice: Choice, parts: Parts) -> jax.Array:
  logits_BV = state.logits
  if parts.penalty:
    logits_BV = penalize(logits_BV, state.seen, choice.dials.repetition_penalty)
  too_early = jnp.where(state.count < choice.minimum, -jnp.inf, 0.0)
  logits_BV = logits_BV.at[:, choice.stops].add(too_early)
  # The key of a token is that of its row and of its place in the completion: nothing else enters.
  keys_B = jax.vmap(jax.random.fold_in, (0, None))(choice.keys, state.count)
  return choose(logits_BV, keys_B, parts, choice.dials)


def bucket(n: int, smallest: int = 16) -> int:
  """n rounded up to 16, 32, 48, 64, 96, 128, 192, ...: two sizes an octave, so that few shapes are
  compiled."""
  size = smallest
  while size < n:
    size = size * 3 // 2 if size & (size - 1) == 0 and size > smallest else 1 << size.bit_length()
  return size


def seen_ids(prompts: list[list[int]], rows: int, V: int) -> np.ndarray:
  """bool [rows, V]: the ids that each prompt has; [rows, 0] for no prompts."""
  seen = np.zeros((rows, V if prompts else 0), bool)
  for r, ids in enumerate(prompts):
    seen[r, ids] = True
  return seen


def pad_left(prompts: list[list[int]], rows: int, length: int) -> tuple[np.ndarray, np.ndarray]:
  """(tokens, segments), int32 [rows, length]: prompts at the right end, segment 1; everything else
  0."""
  tokens, segments = np.zeros((2, rows, length), np.int32)
  for r, ids in enumerate(prompts):
    tokens[r, length - len(ids) :] = ids
    segments[r, length - len(ids) :] = 1
  return tokens, segments


def names(prompts: list[list[int]]) -> list[tuple[int, int]]:
  """What the random numbers of each prompt come from beside the seed: the prompt itself, and how
  often it came before.

  So a prompt's samples depend neither on its place in the list nor on its neighbours, and a prompt
  given twice gets two.
  """
  before: Counter = Counter()
  out = []
  for ids in prompts:
    crc = zlib.crc32(np.asarray(ids, np.int32).tobytes())
    out.append((crc, before[tuple(ids)]))
    before[tuple(ids)] += 1
  return out


def row_keys(seed: int, some: list[tuple[int, int]], rows: int) -> jax.Array:
  """A key for each of `rows` rows, from the seed and the row's name."""
  if not isinstance(seed, int) or not 0 <= seed < 2**32:
    raise InputError(f"seed={seed!r} must be a whole number from 0 to {2**32 - 1}.")
  named = np.zeros((rows, 2), np.uint32)
  named[: len(some)] = some
  return _fold(jax.random.key(seed), named)


@jax.jit
def _fold(key, names_B2):
  fold = jax.random.fold_in
  return jax.vmap(lambda name: fold(fold(key, name[0]), name[1]))(names_B2)
