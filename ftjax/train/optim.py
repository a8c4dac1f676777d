"""Optimizers and learning-rate schedules by name, from Optax."""

import re
from collections.abc import Callable

import jax
import optax

from ftjax import tree
from ftjax.config import InputError, choice, positive

SCHEDULES = ("constant", "linear", "cosine")


def make_schedule(name: str, learning_rate: float, *, warmup: int, total: int) -> optax.Schedule:
  """update (0, 1, ...) -> learning rate, as transformers' get_scheduler has it.

  With warmup the first update uses rate 0 and update `warmup` the full rate; linear and cosine
  reach 0 after `total`.
  """
  choice(name, SCHEDULES, "optim.schedule")
  positive(learning_rate, "optim.learning_rate")
  if warmup >= total > 0:
    raise InputError(
      f"optim.warmup is {warmup} updates, but the run has only {total}. Shorten the warmup."
    )
  decay = max(1, total - warmup)
  after = {
    "constant": optax.constant_schedule(learning_rate),
    "linear": optax.linear_schedule(learning_rate, 0.0, decay),
    "cosine": optax.cosine_decay_schedule(learning_rate, decay),
  }[name]
  if not warmup:
    return after
  return optax.join_schedules([optax.linear_schedule(0.0, learning_rate, warmup), after], [warmup])


def decayed(params) -> dict:
  """True for the leaves that weight decay acts on: matrices, but neither norms, biases nor
  magnitudes."""
  return tree.map_named(lambda name, _: not re.search(r"/(bias|scale|magnitude)$", name), params)


def _adamw(schedule, b1, b2, eps, weight_decay):
  return optax.adamw(schedule, b1=b1, b2=b2, eps=eps, weight_decay=weight_decay, mask=decayed)


def _lion(schedule, b1, b2, eps, weight_decay):
  del eps
  return optax.lion(schedule, b1=b1, b2=b2, weight_decay=weight_decay, mask=decayed)


def _sgd(schedule, b1, b2, eps, weight_decay):
  del b2, eps
  return optax.chain(
    optax.add_decayed_weights(weight_decay, decayed), optax.sgd(schedule, momentum=b1 or None)
  )


def _adafactor(schedule, b1, b2, eps, weight_decay):
  del b2, eps
  return optax.adafactor(
    schedule, momentum=b1 or None, weight_decay_rate=weight_decay or None, weight_decay_mask=decayed
  )


OPTIMIZERS: dict[str, Callable] = {
  "adamw": _adamw,
  "lion": _lion,
  "sgd": _sgd,
  "adafactor": _adafactor,
}


def make_optimizer(
  name: str,
  schedule: optax.Schedule,
  *,
  b1: float = 0.9,
  b2: float = 0.999,
  eps: float = 1e-8,
  weight_decay: float = 0.0,
  clip: float = 1.0,
) -> optax.GradientTransformation:
  """An Optax optimizer behind clipping by the global norm (`clip` = 0: none)."""
  choice(name, OPTIMIZERS, "optim.name")
  tx = OPTIMIZERS[name](schedule, b1, b2, eps, weight_decay)
  return optax.chain(optax.clip_by_global_norm(clip), tx) if clip else tx


def state_shardings(tx: optax.GradientTransformation, trainable, shardings, replicated):
  """Shardings of tx's state: a moment lives where its parameter does, everything else
  everywhere."""
  shapes = jax.eval_shape(tx.init, trainable)
  sizes = {name: x.shape for name, x in tree.flatten(trainable).items()}
  places = tree.flatten(shardings)

  def place(name, leaf):
    owner = next((n for n in sizes if name.endswith("/" + n) and sizes[n] == leaf.shape), None)
    return places[owner] if owner else replicated

  return tree.map_named(place, shapes)
