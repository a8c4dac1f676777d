"""What a run carries from one update to the next."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ftjax.parallel.mesh import replicated
from ftjax.train.optim import state_shardings

Variables = dict[str, Any]  # {collection: {...}}


class TrainState(NamedTuple):
  """Full fine-tuning and LoRA differ only in which collections are trainable."""

  step: jax.Array  # int32 []: updates done
  trainable: Variables  # gradients and optimizer state exist for these alone
  frozen: Variables  # read, never written
  opt_state: optax.OptState
  key: jax.Array  # folded with the step for each update's randomness
  ema: Variables | None = None  # float32: the average of `trainable`, where the run keeps one
  start: Variables | None = None  # `trainable` as it began, where something pulls back to it

  def evaluated(self) -> Variables:
    """The trainable collections that are judged, and written as best and final: their average where
    there is one."""
    if self.ema is None:
      return self.trainable
    return jax.tree.map(lambda a, x: a.astype(x.dtype), self.ema, self.trainable)


def shard_state(
  trainable: Variables,
  frozen: Variables,
  tx,
  shardings,
  mesh,
  *,
  ema: bool = False,
  start: bool = False,
) -> TrainState:
  """The shardings of a TrainState, as a TrainState of NamedShardings.

  trainable, frozen: arrays or shape structs. shardings: fn(variables) -> tree of NamedSharding. ema,
  start: whether the state has these.
  """
  everywhere = replicated(mesh)
  mine = shardings(trainable)
  moments = state_shardings(tx, trainable, mine, everywhere)
  copies = mine if ema else None, mine if start else None
  return TrainState(everywhere, mine, shardings(frozen), moments, everywhere, *copies)


def copied(trainable: Variables, dtype=None) -> Variables:
  """Arrays of their own, even where nothing changes: an array that is donated twice is an error."""
  return jax.tree.map(lambda x: jnp.copy(x.astype(dtype or x.dtype)), trainable)


def copies(trainable: Variables, places: TrainState) -> tuple[Variables | None, Variables | None]:
  """(ema, start) of a new state, where `places` has them: both begin as `trainable`."""
  ema = functools.partial(copied, dtype=jnp.float32)
  make = lambda fn, at: None if at is None else jax.jit(fn, out_shardings=at)(trainable)
  return make(ema, places.ema), make(copied, places.start)


def init_state(
  trainable: Variables, frozen: Variables, tx, seed: int, places: TrainState
) -> TrainState:
  """A new state: optimizer moments are made where they will live, never on one device first."""
  opt_state = jax.jit(tx.init, out_shardings=places.opt_state)(trainable)
  key = jax.device_put(jax.random.key_data(jax.random.key(seed)), places.key)
  step = jax.device_put(jnp.int32(0), places.step)
  return TrainState(step, trainable, frozen, opt_state, key, *copies(trainable, places))
