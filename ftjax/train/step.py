"""One update: gradients of the mean loss over all micro batches, clipped, applied."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ftjax import tree
from ftjax.batch import Batch
from ftjax.models.decoder import Decoder, head
from ftjax.parallel.mesh import replicated
from ftjax.parallel.pjit import pjit
from ftjax.train.loss import next_token_loss
from ftjax.train.state import TrainState, Variables

LossFn = Callable[[Variables, Batch, jax.Array], tuple[jax.Array, jax.Array]]


class Sums(NamedTuple):
  """What an update reports: sums and counts, so that updates and processes can be added before
  dividing."""

  nll: jax.Array  # float32 []: weighted cross-entropy, nats
  weight: jax.Array  # float32 []: what to divide it by
  tokens: jax.Array  # int32 []: tokens that are not padding
  rows: jax.Array  # float32 [A, B]: each row's share of nll, to find the row that is not finite
  grad_norm: jax.Array  # float32 []: global norm before clipping
  learning_rate: jax.Array  # float32 []: the rate this update used


def make_loss(decoder: Decoder, chunk: int = 512) -> LossFn:
  """loss(variables, batch [B, T], key) -> (summed loss, the loss of each row)."""

  def loss(variables: Variables, batch: Batch, key: jax.Array):
    hidden_BTD, _ = decoder.apply(
      variables, batch.tokens, batch.positions, batch.segments, train=True, rngs={"dropout": key}
    )
    w = head(variables, decoder.config)
    return next_token_loss(hidden_BTD, w, batch.targets, batch.weights, chunk=chunk)

  return loss


def train_step(
  state: TrainState, batch: Batch, *, loss: LossFn, tx, schedule
) -> tuple[TrainState, Sums]:
  """One update from a batch of micro batches [A, B, T].

  The loss is sum(weighted cross-entropy) / sum(weights) over all A * B rows: A micro batches are
  one batch A times as large, however unevenly their trained tokens fall.
  """
  key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
  weight = batch.weights.sum()
  scale = 1.0 / jnp.maximum(weight, 1e-9)

  def micro(trainable, micro_batch, key):
    nll, rows_B = loss(tree.merge(state.frozen, trainable), micro_batch, key)
    return nll * scale, rows_B

  def add(total, xs):
    grads, rows_B = jax.grad(micro, has_aux=True)(state.trainable, *xs)
    return jax.tree.map(jnp.add, total, grads), rows_B

  A = batch.tokens.shape[0]
  if A == 1:
    only = jax.tree.map(lambda x: x[0], batch)
    grads, rows_B = jax.grad(micro, has_aux=True)(state.trainable, only, key)
    rows_AB = rows_B[None]
  else:
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, jnp.float32), state.trainable)
    grads, rows_AB = jax.lax.scan(add, zeros, (batch, jax.random.split(key, A)))
  updates, opt_state = tx.update(grads, state.opt_state, state.trainable)
  sums = Sums(
    nll=rows_AB.sum(),
    weight=weight,
    tokens=(batch.segments > 0).sum(),
    rows=rows_AB,
    grad_norm=optax.tree.norm(grads),
    learning_rate=jnp.float32(schedule(state.step)),
  )
  trainable = optax.apply_updates(state.trainable, updates)
  new = state._replace(step=state.step + 1, trainable=trainable, opt_state=opt_state)
  return new, sums


def compile_step(mesh, places: TrainState, loss: LossFn, tx, schedule):
  """train_step for a mesh: the state stays where `places` says and is donated; the batch's rows
  are split."""
  step = lambda state, batch: train_step(state, batch, loss=loss, tx=tx, schedule=schedule)
  rows = batch_sharding(mesh)
  return pjit(step, mesh, inputs=(places, rows), outputs=(places, replicated(mesh)), donate=(0,))


def batch_sharding(mesh) -> jax.sharding.NamedSharding:
  """[A, B, T]: rows over the data and fsdp axes."""
  return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(None, ("data", "fsdp"), None))


def nonfinite_rows(sums: Sums) -> list[tuple[int, int]]:
  """(micro batch, row) of every row whose loss is NaN or Inf; read on the host."""
  return [tuple(map(int, at)) for at in np.argwhere(~np.isfinite(np.asarray(sums.rows)))]
