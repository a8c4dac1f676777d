"""Optimizers and learning-rate schedules by name, from Optax."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
import optax.contrib
from jax.sharding import NamedSharding

from ftjax import tree
from ftjax.config import InputError, choice
from ftjax.defaults import get_config
from ftjax.parallel.mesh import fit
from ftjax.train import apollo, moments, rates
from ftjax.train.leaves import decayed, matrices

SCHEDULES = ("constant", "linear", "cosine")
SCHEDULE_FREE = "schedule_free"


def make_schedule(name: str, learning_rate: float, *, warmup: int, total: int) -> optax.Schedule:
  """update (0, 1, ...) -> learning rate, as transformers' get_scheduler has it.

  With warmup the first update uses rate 0 and update `warmup` the full rate; linear and cosine
  reach 0 after `total`.
  """
  choice(name, SCHEDULES, "optim.schedule")
  if not 0 <= learning_rate < math.inf:
    raise InputError(
      f"optim.learning_rate={learning_rate!r} must be greater than 0, or 0 for what suits the model's size."
    )
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


def _adam(b1, b2, eps, stored, rank):
  del rank
  return moments.scale_by_adam(b1, b2, eps, stored)


def _lion(b1, b2, eps, stored, rank):
  del eps, stored, rank
  return optax.scale_by_lion(b1, b2)


def _sgd(b1, b2, eps, stored, rank):
  del b2, eps, stored, rank
  return optax.trace(b1) if b1 else optax.identity()


def _adafactor(b1, b2, eps, stored, rank):
  """Shazeer & Stern 2018, as T5 was tuned with it: no momentum, which would be a number for each
  weight."""
  del b1, b2, eps, stored, rank
  return optax.chain(optax.adafactor(None), optax.scale(-1.0))  # Its steps go down, ours up.


def _muon(b1, b2, eps, stored, rank):
  """Matrices' momenta made orthogonal (Jordan et al. 2024), at the size of Adam's steps (Liu et al.
  2025), so that one learning rate serves them and the rest."""
  del rank
  muon = optax.contrib.muon(
    -1.0, eps=eps, consistent_rms=0.2, muon_weight_dimension_numbers=matrices
  )
  return _of_matrices(muon, b1, b2, eps, stored)


def _apollo(b1, b2, eps, stored, rank):
  """Adam's step sizes for matrices from moments of `rank` rows."""
  steps = apollo.scale_by_apollo(b1, b2, eps, rank, matrices)
  return _of_matrices(steps, b1, b2, eps, stored)


def _of_matrices(tx, b1, b2, eps, stored):
  """tx for matrices; tables, head and vectors have Adam."""
  kind = lambda x, dims: "rest" if dims is None else "matrix"
  return optax.partition(
    {"matrix": tx, "rest": moments.scale_by_adam(b1, b2, eps, stored)},
    lambda params: jax.tree.map(kind, params, matrices(params)),
  )


def _schedule_free(b1, b2, eps, stored, rank):
  """What make_optimizer wraps: Adam without momentum, in whose place the average comes."""
  del b1
  return _adam(0.0, b2, eps, stored, rank)


# fn(b1, b2, eps, stored, rank) -> steps of rate 1, uphill and without decay: make_optimizer adds both.
OPTIMIZERS: dict[str, Callable] = {
  "adamw": _adam,
  "lion": _lion,
  "sgd": _sgd,
  "adafactor": _adafactor,
  "muon": _muon,
  "apollo": _apollo,
  SCHEDULE_FREE: _schedule_free,
}


USES = {  # which of b1, b2, eps and rank each reads
  "adamw": "b1 b2 eps", SCHEDULE_FREE: "b1 b2 eps", "lion": "b1 b2", "sgd": "b1", "adafactor": "",
  "muon": "b1 b2 eps", "apollo": "b1 b2 eps rank",
}  # fmt: skip


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

  weight_decay: an update takes learning rate x weight_decay of every number in `decayed` leaves,
  whatever the optimizer (Loshchilov & Hutter 2019). stored: of moments.MOMENTS. rank: of APOLLO's
  projections. lora_plus, layer_decay: rates.multipliers. stochastic_rounding: of weights in bfloat16
  (moments.round_weights).
  """
  choice(name, OPTIMIZERS, "optim.name")
  rates.check(lora_plus, layer_decay)
  decay = optax.add_decayed_weights(weight_decay, decayed)
  direction = OPTIMIZERS[name](b1, b2, eps, stored, rank)
  steps = [optax.chain(direction, decay, optax.scale_by_learning_rate(schedule))]
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
  ranges = {
    "b1": (0 <= o.b1 < 1, "at least 0 and below 1"), "b2": (0 <= o.b2 < 1, "at least 0 and below 1"),
    "eps": (o.eps > 0, "above 0"), "rank": (o.rank >= 1, "1 or greater: rows of APOLLO's moments"),
    "weight_decay": (o.weight_decay >= 0, "0 (none) or greater"), "clip": (o.clip >= 0, "0 (none) or greater"),
  }  # fmt: skip
  for key, (good, allowed) in ranges.items():
    if not good:
      raise InputError(f"optim.{key}={o[key]!r} must be {allowed}.")
  usual = get_config().optim
  for key in ("b1", "b2", "eps", "rank"):
    if o[key] != usual[key] and key not in USES[o.name].split():
      raise InputError(
        f"optim.{key}={o[key]!r} has no effect with optim.name={o.name}. Leave it at {usual[key]!r}."
      )
  if o.stochastic_rounding and o.l2sp:
    raise InputError(
      f"optim.l2sp={o.l2sp!r} pulls weights less far than bfloat16 tells them apart, after they were rounded: it "
      "would be lost. Set optim.stochastic_rounding=False or optim.l2sp=0."
    )
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
