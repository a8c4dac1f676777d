"""What a run carries from one update to the next."""

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


def shard_state(trainable: Variables, frozen: Variables, tx, shardings, mesh) -> TrainState:
  """The shardings of a TrainState, as a TrainState of NamedShardings.

  trainable, frozen: arrays or shape structs. shardings: fn(variables) -> tree of NamedSharding.
  """
  everywhere = replicated(mesh)
  mine = shardings(trainable)
  moments = state_shardings(tx, trainable, mine, everywhere)
  return TrainState(everywhere, mine, shardings(frozen), moments, everywhere)


def init_state(
  trainable: Variables, frozen: Variables, tx, seed: int, places: TrainState
) -> TrainState:
  """A new state: optimizer moments are made where they will live, never on one device first."""
  opt_state = jax.jit(tx.init, out_shardings=places.opt_state)(trainable)
  key = jax.device_put(jax.random.key_data(jax.random.key(seed)), places.key)
  return TrainState(jax.device_put(jnp.int32(0), places.step), trainable, frozen, opt_state, key)
