"""A run's step put together from its config: by training, which runs it, and by planning, which only
compiles it, so that what is planned is what will run."""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from ml_collections import ConfigDict

from ftjax.batch import Batch, empty
from ftjax.config import choice
from ftjax.data.general import Replay
from ftjax.models.config import ModelConfig
from ftjax.models.decoder import Decoder
from ftjax.models.matmul import KINDS
from ftjax.parallel import rules
from ftjax.parallel.pjit import Partitioned
from ftjax.pretrained import computed_in, dtype_of
from ftjax.train import optim
from ftjax.train.remedies import Remedies
from ftjax.train.state import TrainState, Variables, copied, shard_state
from ftjax.train.step import batch_sharding, compile_step, make_loss

AUTO = "auto"  # of train.remat


class Assembled(NamedTuple):
  """What a run is made of before it has any numbers."""

  decoder: Decoder
  tx: optax.GradientTransformation
  places: TrainState  # of NamedShardings
  step: Partitioned  # (state, batch [A, B, T]) -> (state, sums)
  batch: Batch  # the shape structs of the one batch that will run


def assemble(
  config: ConfigDict,
  model: ModelConfig,
  trainable: Variables,
  frozen: Variables,
  mesh,
  *,
  warmup: int,
  total: int,
  length: int,
) -> Assembled:
  """The step of a run on `mesh`.

  trainable, frozen: arrays or shape structs. warmup, total: updates. length: tokens in a row.
  """
  o, t = config.optim, config.train
  decoder = decoder_of(config, model)
  schedule = optim.make_schedule(o.schedule, o.learning_rate, warmup=warmup, total=total)
  tx = optim.from_config(config, schedule)
  remedies = remedies_of(config)
  places = shard_state(
    trainable, frozen, tx, functools.partial(rules.shardings, mesh=mesh), mesh,
    ema=remedies.average, start=remedies.start,
  )  # fmt: skip
  loss = make_loss(decoder, smoothing=t.label_smoothing)
  step = compile_step(mesh, places, loss, tx, schedule, remedies)
  rows = batch_sharding(mesh)
  batch = Batch(*(_global(x, t.accumulate, rows) for x in empty(t.batch_size, length)))
  return Assembled(decoder, tx, places, step, batch)


def decoder_of(config: ConfigDict, model: ModelConfig) -> Decoder:
  """The decoder that a run trains."""
  m = config.model
  return Decoder(
    model,
    dtype=dtype_of(computed_in(m), "model.compute_dtype"),
    attention=m.attention,
    remat=remat_of(config),
    neftune=config.train.neftune,
    matmul=choice(m.matmul, KINDS, "model.matmul"),
    dropout=config.adapter.dropout if config.adapter.kind == "lora" else 0.0,
  )


def remat_of(config: ConfigDict) -> str:
  """train.remat; "none" while "auto" is not settled (fitting.compile_first)."""
  return "none" if config.train.remat == AUTO else config.train.remat


def remedies_of(config: ConfigDict) -> Remedies:
  """What of a config keeps the model near its base, in an update. New adapters leave the base as it
  is."""
  t, o, a = config.train, config.optim, config.adapter
  new = a.kind != "none" and not a.source
  replayed = Replay.parse(t.replay).share > 0
  return Remedies(
    kl=t.kl, general=replayed, l2sp=o.l2sp, ema=o.ema, identity=new,
    schedule_free=o.name == optim.SCHEDULE_FREE,
  )  # fmt: skip


def abstract_state(trainable: Any, frozen: Any, made: Assembled) -> TrainState:
  """The shape structs, with places, of the state that train.state.init_state would make."""
  key = jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0)))
  step = jax.ShapeDtypeStruct((), np.int32)
  ema, start = jax.eval_shape(
    lambda x: (copied(x, np.float32), copied(x)), trainable
  )  # of which the state has what it needs
  state = TrainState(
    step, trainable, frozen, jax.eval_shape(made.tx.init, trainable), key,
    None if made.places.ema is None else ema, None if made.places.start is None else start,
  )  # fmt: skip
  return jax.tree.map(
    lambda x, place: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), state, made.places
  )


def _global(x: np.ndarray, accumulate: int, sharding) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct((accumulate, *x.shape), x.dtype, sharding=sharding)
