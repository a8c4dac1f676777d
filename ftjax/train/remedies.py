"""What keeps a model near where it began, as parts of an update: KL to the base, L2 towards the
start, an average of the weights."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from ftjax import tree
from ftjax.batch import GENERAL, Batch
from ftjax.config import InputError
from ftjax.models.adapters import kinds
from ftjax.train import optim
from ftjax.train.state import TrainState, Variables


@dataclass(frozen=True)
class Remedies:
  """Weights of each; 0 = not used.

  kl: KL(base || model) in nats per token, added to the loss. general: over the tokens of replayed
  general text alone; otherwise over all trained tokens. l2sp: the pull towards the start, decoupled
  from the gradient as AdamW's weight decay is. ema: the decay of the average. schedule_free: whether
  the average is the optimizer's own. identity: whether the model without adapters is the model before
  the first update, so that KL needs no copy of it.
  """

  kl: float = 0.0
  general: bool = False
  l2sp: float = 0.0
  ema: float = 0.0
  schedule_free: bool = False
  identity: bool = False

  @property
  def start(self) -> bool:
    """Whether a copy of what is trained, as it began, is needed."""
    return bool(self.l2sp or self.kl and not self.identity)

  @property
  def average(self) -> bool:
    """Whether an average of what is trained is kept, judged and written."""
    return bool(self.ema or self.schedule_free)

  def __post_init__(self):
    for key, value in (("train.kl", self.kl), ("optim.l2sp", self.l2sp)):
      if not value >= 0:
        raise InputError(f"{key}={value!r} must be 0 (not used) or greater.")
    if not 0 <= self.ema < 1:
      raise InputError(f"optim.ema={self.ema!r} must be at least 0 (no average) and below 1.")


NONE = Remedies()


def base_of(state: TrainState) -> Variables:
  """The variables of the model as it was before the first update. Under an adapter that began as the
  identity they are the frozen base itself."""
  if state.start is not None:
    return tree.merge(state.frozen, state.start)
  return {c: x for c, x in state.frozen.items() if c not in kinds.COLLECTIONS}


def kl_weights(batch: Batch, remedies: Remedies) -> jax.Array:
  """The weight of every token's divergence, shaped like batch.weights."""
  replayed = batch.segments >= GENERAL
  return jnp.where(replayed, batch.weights, 0) if remedies.general else batch.weights


def pull(updates: Variables, state: TrainState, strength: jax.Array) -> Variables:
  """The updates and a step of `strength` = learning rate x l2sp towards where the trainable
  collections began: L2-SP (Li et al. 2018), with the decoupling of AdamW (Loshchilov and Hutter
  2019), as in RecAdam (Chen et al. 2020).

  Of a new low-rank pair one factor began at zero, so that the start is a difference of zero.
  """

  def add(update, now, start):
    away = now.astype(jnp.float32) - start.astype(jnp.float32)
    return (update - strength * away).astype(update.dtype)

  return jax.tree.map(add, updates, state.trainable, state.start)


def averaged(state: TrainState, remedies: Remedies) -> Variables | None:
  """The average after an update, of the state with its new parameters; float32."""
  if remedies.schedule_free:
    return optim.averaged(state.opt_state, state.trainable)
  return average(state.ema, state.trainable, state.step - 1, remedies.ema) if remedies.ema else None


def average(ema: Variables, trainable: Variables, step: jax.Array, decay: float) -> Variables:
  """The average after an update; float32. The decay is min(decay, (1 + step) / (10 + step)) for
  update `step` = 0, 1, ..., so that the start does not linger in it (as in TensorFlow's
  ExponentialMovingAverage)."""
  step = step.astype(jnp.float32)
  decay = jnp.minimum(decay, (1 + step) / (10 + step))
  return jax.tree.map(lambda a, x: a + (1 - decay) * (x.astype(jnp.float32) - a), ema, trainable)
