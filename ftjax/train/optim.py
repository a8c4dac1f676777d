"""Optimizers and learning-rate schedules by name, from Optax."""

import re
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
import optax.contrib
from jax.sharding import NamedSharding

from ftjax import tree
from ftjax.config import InputError, choice, positive
from ftjax.parallel.mesh import fit
from ftjax.train import apollo, moments, rates

SCHEDULES = ("constant", "linear", "cosine")
SCHEDULE_FREE = "schedule_free"


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


def _adamw(schedule, b1, b2, eps, weight_decay, stored, rank):
  del rank
  return optax.chain(
    moments.scale_by_adam(b1, b2, eps, stored),
    optax.add_decayed_weights(weight_decay, decayed),
    optax.scale_by_learning_rate(schedule),
  )


def _lion(schedule, b1, b2, eps, weight_decay, stored, rank):
  del eps, stored, rank
  return optax.lion(schedule, b1=b1, b2=b2, weight_decay=weight_decay, mask=decayed)


def _sgd(schedule, b1, b2, eps, weight_decay, stored, rank):
  del b2, eps, stored, rank
  return optax.chain(
    optax.add_decayed_weights(weight_decay, decayed), optax.sgd(schedule, momentum=b1 or None)
  )


def _adafactor(schedule, b1, b2, eps, weight_decay, stored, rank):
  """Shazeer & Stern 2018, as T5 was tuned with it: no momentum, which would be a number for each
  weight."""
  del b1, b2, eps, stored, rank
  return optax.adafactor(
    schedule, weight_decay_rate=weight_decay or None, weight_decay_mask=decayed
  )


def _muon(schedule, b1, b2, eps, weight_decay, stored, rank):
  """Matrices' momenta made orthogonal (Jordan et al. 2024), at the size of Adam's steps (Liu et al.
  2025), so that one learning rate serves them and the rest: tables, head, vectors have Adam."""
  del stored, rank
  steps = optax.contrib.muon(
    -1.0,  # Its sign is turned here and once more below, where decay has been added.
    eps=eps,
    adam_b1=b1,
    adam_b2=b2,
    consistent_rms=0.2,
    muon_weight_dimension_numbers=matrices,
  )
  decay = optax.add_decayed_weights(weight_decay, decayed)
  return optax.chain(steps, decay, optax.scale_by_learning_rate(schedule))


def _apollo(schedule, b1, b2, eps, weight_decay, stored, rank):
  """Adam's step sizes for matrices from moments of `rank` rows; tables, head and vectors have Adam."""
  steps = optax.partition(
    {
      "matrix": apollo.scale_by_apollo(b1, b2, eps, rank, matrices),
      "rest": moments.scale_by_adam(b1, b2, eps, stored),
    },
    lambda params: jax.tree.map(
      lambda x, d: "rest" if d is None else "matrix", params, matrices(params)
    ),
  )
  decay = optax.add_decayed_weights(weight_decay, decayed)
  return optax.chain(steps, decay, optax.scale_by_learning_rate(schedule))


def _schedule_free(schedule, b1, b2, eps, weight_decay, stored, rank):
  """What make_optimizer wraps: Adam without momentum, in whose place the average comes."""
  del b1
  return _adamw(schedule, 0.0, b2, eps, weight_decay, stored, rank)


def matrices(params):
  """Which dims of each leaf are a matrix's inputs and outputs, for Muon and APOLLO; None where it is
  none."""
  numbers = optax.contrib.MuonDimensionNumbers

  def sides(name, x):
    if not re.search(r"^(params|lora)/layers/.*/(kernel|a|b)$", name):
      return None
    lead = 2 if "/experts/" in name and "/router/" not in name else 1
    inputs = 2 if re.search(r"/attention/out/(kernel|a)$", name) else 1
    return numbers(tuple(range(lead, lead + inputs)), tuple(range(lead + inputs, x.ndim)))

  return tree.map_named(sides, params)


OPTIMIZERS: dict[str, Callable] = {
  "adamw": _adamw,
  "lion": _lion,
  "sgd": _sgd,
  "adafactor": _adafactor,
  "muon": _muon,
  "apollo": _apollo,
  SCHEDULE_FREE: _schedule_free,
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
  stored: str = "float32",
  rank: int = 128,
  lora_plus: float = 1.0,
  layer_decay: float = 1.0,
  stochastic_rounding: bool = False,
) -> optax.GradientTransformation:
  """An Optax optimizer behind clipping by the global norm (`clip` = 0: none).

  stored: of moments.MOMENTS. rank: of APOLLO's projections. lora_plus, layer_decay: rates.multipliers. stochastic_rounding: of
  weights in bfloat16 (moments.round_weights).
  """
  choice(name, OPTIMIZERS, "optim.name")
  rates.check(lora_plus, layer_decay)
  steps = [OPTIMIZERS[name](schedule, b1, b2, eps, weight_decay, stored, rank)]
  if clip:
    steps = [optax.clip_by_global_norm(clip), *steps]
  if lora_plus != 1 or layer_decay != 1:
    steps.append(rates.scale_by_multipliers(lora_plus=lora_plus, layer_decay=layer_decay))
  if stochastic_rounding:
    steps.append(moments.round_weights())
  tx = optax.chain(*steps) if len(steps) > 1 else steps[0]
  if name != SCHEDULE_FREE:
    return tx
  # Defazio et al. 2024. Optax counts updates from 1 there and from 0 in the schedules.
  return optax.contrib.schedule_free(
    tx, lambda count: schedule(count - 1), b1=b1, state_dtype=jnp.float32
  )


def averaged(opt_state: optax.OptState, trainable):
  """The average that schedule-free judges and keeps, of the parameters at which it takes its
  gradients."""
  z, b1 = (optax.tree.get(opt_state, name) for name in ("z", "b1"))
  return jax.tree.map(lambda y, z: (y.astype(jnp.float32) - (1 - b1) * z) / b1, trainable, z)


def from_config(config, schedule: optax.Schedule) -> optax.GradientTransformation:
  """The optimizer that a run's config names."""
  o = config.optim
  return make_optimizer(
    o.name, schedule, b1=o.b1, b2=o.b2, eps=o.eps, weight_decay=o.weight_decay, clip=o.clip,
    stored=o.moments, layer_decay=o.layer_decay, stochastic_rounding=o.stochastic_rounding,
    lora_plus=config.adapter.lora_plus, rank=o.rank,
  )  # fmt: skip


def check(config) -> None:
  """Raises InputError for settings that are not known or would do nothing."""
  o = config.optim
  choice(o.name, OPTIMIZERS, "optim.name")
  rates.check(config.adapter.lora_plus, o.layer_decay)
  moments.check(o.name, o.moments, o.stochastic_rounding, config.model.dtype, config.adapter.kind)
  if o.rank < 1:
    raise InputError(f"optim.rank={o.rank} must be 1 or greater: rows of APOLLO's moments.")
  if o.name == SCHEDULE_FREE:
    _check_schedule_free(config)


def _check_schedule_free(config) -> None:
  o = config.optim
  wrong = {
    f"optim.schedule={o.schedule}": o.schedule != "constant" and "constant",
    f"optim.b1={o.b1}": not 0 < o.b1 < 1 and "0.9",
    f"optim.ema={o.ema}": o.ema and "0: it keeps an average of its own",
    f"optim.l2sp={o.l2sp}": o.l2sp and "0",
    f"model.dtype={config.model.dtype}": (
      config.model.dtype != "float32" and config.adapter.kind == "none" and "float32"
    ),
  }
  for given, wanted in wrong.items():
    if wanted:
      raise InputError(f"optim.name=schedule_free does not go with {given}. Set it to {wanted}.")


def state_shardings(tx: optax.GradientTransformation, trainable, shardings, replicated):
  """Shardings of tx's state: a moment lives where its parameter does, and so does what has one
  number for some of the parameter's along a dim; everything else lives everywhere."""
  shapes = jax.eval_shape(tx.init, trainable)
  sizes = {name: x.shape for name, x in tree.flatten(trainable).items()}
  places = tree.flatten(shardings)

  def place(name, leaf):
    owner = next((n for n in sizes if name.endswith("/" + n)), None)
    if owner is None or len(sizes[owner]) != leaf.ndim:
      return replicated
    mine = places[owner]
    if sizes[owner] == leaf.shape or not isinstance(mine, NamedSharding):
      return mine if sizes[owner] == leaf.shape else replicated
    return NamedSharding(mine.mesh, fit(mine.spec, leaf.shape, mine.mesh))

  return tree.map_named(place, shapes)
