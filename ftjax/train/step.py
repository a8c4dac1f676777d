"""One update: gradients of the mean loss over all micro batches, clipped, applied; and what is to keep
the model near its base (train/remedies.py)."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ftjax import tree
from ftjax.batch import Batch
from ftjax.models.decoder import Decoder, head
from ftjax.parallel.mesh import BATCH, replicated
from ftjax.parallel.pjit import pjit
from ftjax.train.divergence import divergence
from ftjax.train.loss import next_token_loss
from ftjax.train.remedies import NONE, Remedies, averaged, base_of, kl_weights, pull
from ftjax.train.state import TrainState, Variables

LossFn = Callable[..., tuple[jax.Array, jax.Array, jax.Array]]  # see make_loss


class Sums(NamedTuple):
  """What an update reports: sums and counts, so that updates and processes can be added before
  dividing."""

  nll: jax.Array  # float32 []: weighted cross-entropy, nats
  weight: jax.Array  # float32 []: what to divide it by
  tokens: jax.Array  # int32 []: tokens that are not padding
  rows: jax.Array  # float32 [A, B]: each row's share of nll, to find the row that is not finite
  grad_norm: jax.Array  # float32 []: global norm before clipping
  learning_rate: jax.Array  # float32 []: the rate this update used
  kl: jax.Array | None = None  # float32 []: summed divergence from the base, nats, where it is used
  kl_weight: jax.Array | None = None  # float32 []: what to divide it by


def make_loss(decoder: Decoder, chunk: int = 512, *, smoothing: float = 0.0) -> LossFn:
  """loss(variables, batch [B, T], key, base, weights_BT) -> (summed loss, the loss of each row, the
  summed divergence from `base` weighted by weights_BT; 0 where base is None)."""

  def loss(variables: Variables, batch: Batch, key: jax.Array, base=None, weights_BT=None):
    hidden_BTD, _ = decoder.apply(
      variables, batch.tokens, batch.positions, batch.segments, train=True, rngs={"dropout": key}
    )
    w = head(variables, decoder.config)
    nll, rows_B = next_token_loss(
      hidden_BTD, w, batch.targets, batch.weights, chunk=chunk, smoothing=smoothing
    )
    if base is None:
      return nll, rows_B, jnp.float32(0)
    theirs_BTD, _ = decoder.apply(base, batch.tokens, batch.positions, batch.segments)
    base_head = head(base, decoder.config)
    return nll, rows_B, divergence(hidden_BTD, w, theirs_BTD, base_head, weights_BT, chunk=chunk)

  return loss


def train_step(
  state: TrainState, batch: Batch, *, loss: LossFn, tx, schedule, remedies: Remedies = NONE
) -> tuple[TrainState, Sums]:
  """One update from a batch of micro batches [A, B, T].

  The loss is sum(weighted cross-entropy) / sum(weights) over all A * B rows: A micro batches are
  one batch A times as large, however unevenly their trained tokens fall. So is the divergence from
  the base, over its own tokens, where there is one.
  """
  key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
  weight = batch.weights.sum()
  scale = 1.0 / jnp.maximum(weight, 1e-9)

  base = base_of(state) if remedies.kl else None
  anchored = kl_weights(batch, remedies)
  kl_scale = remedies.kl / jnp.maximum(anchored.sum(), 1e-9)

  def micro(trainable, micro_batch, weights_BT, key):
    variables = tree.merge(state.frozen, trainable)
    nll, rows_B, kl = loss(variables, micro_batch, key, base, weights_BT)
    return nll * scale + kl * kl_scale, (rows_B, kl)

  def add(total, xs):
    grads, found = jax.grad(micro, has_aux=True)(state.trainable, *xs)
    return jax.tree.map(jnp.add, total, grads), found

  A = batch.tokens.shape[0]
  if A == 1:
    only = jax.tree.map(lambda x: x[0], batch)
    grads, found = jax.grad(micro, has_aux=True)(state.trainable, only, anchored[0], key)
    rows_AB, kl_A = jax.tree.map(lambda x: x[None], found)
  else:
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, jnp.float32), state.trainable)
    xs = batch, anchored, jax.random.split(key, A)
    grads, (rows_AB, kl_A) = jax.lax.scan(add, zeros, xs)
  updates, opt_state = tx.update(grads, state.opt_state, state.trainable)
  sums = Sums(
    nll=rows_AB.sum(),
    weight=weight,
    tokens=(batch.segments > 0).sum(),
    rows=rows_AB,
    grad_norm=optax.tree.norm(grads),
    learning_rate=jnp.float32(schedule(state.step)),
    kl=kl_A.sum() if remedies.kl else None,
    kl_weight=anchored.sum() if remedies.kl else None,
  )
  if remedies.l2sp:
    updates = pull(updates, state, sums.learning_rate * remedies.l2sp)
  trainable = optax.apply_updates(state.trainable, updates)
  new = state._replace(step=state.step + 1, trainable=trainable, opt_state=opt_state)
  return new._replace(ema=averaged(new, remedies)), sums


def compile_step(mesh, places: TrainState, loss: LossFn, tx, schedule, remedies: Remedies = NONE):
  """train_step for a mesh: the state stays where `places` says and is donated; the batch's rows
  are split."""
  fixed = dict(loss=loss, tx=tx, schedule=schedule, remedies=remedies)
  step = lambda state, batch: train_step(state, batch, **fixed)
  rows = batch_sharding(mesh)
  return pjit(step, mesh, inputs=(places, rows), outputs=(places, replicated(mesh)), donate=(0,))


def batch_sharding(mesh) -> jax.sharding.NamedSharding:
  """[A, B, T]: whole rows, over the axes that split a batch."""
  return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(None, BATCH, None))


def nonfinite_rows(sums: Sums) -> list[tuple[int, int]]:
  """(micro batch, row) of every row whose loss is NaN or Inf; read on the host."""
  return [tuple(map(int, at)) for at in np.argwhere(~np.isfinite(np.asarray(sums.rows)))]
