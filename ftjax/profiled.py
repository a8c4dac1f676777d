"""A config's own training step, traced: what scripts/profile.py prints."""

import time
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict

from ftjax import fitting
from ftjax.batch import Batch
from ftjax.parallel.mesh import make_mesh
from ftjax.pretrained import open_run, shapes_of, variables_of
from ftjax.research import profiling
from ftjax.train.loop import put
from ftjax.train.state import init_state
from ftjax.train.step import batch_sharding


def step(config: ConfigDict, folder: Path) -> tuple[float, list[tuple[str, str, float, float]]]:
  """(seconds of a step, its parts as profiling.table has them) over full rows of random tokens,
  every one trained on; the trace is left in `folder`."""
  mesh = make_mesh(**config.mesh)
  opened = open_run(config)
  model = opened.checkpoint.config
  length = min(config.data.max_length, opened.room)
  shapes = shapes_of(config, opened)
  _, made, compiled = fitting.compile_first(
    config, model, shapes, mesh, warmup=0, total=1000, length=length
  )
  trainable, frozen = variables_of(config, opened, mesh)
  state = init_state(trainable, frozen, made.tx, config.train.seed, made.places)
  del trainable, frozen
  batch = put(_random(made.batch.tokens.shape, model.vocabulary), batch_sharding(mesh))

  def run() -> float:
    nonlocal state
    at = time.perf_counter()
    state, _ = compiled(state, batch)
    jax.block_until_ready(state)
    return time.perf_counter() - at

  run()
  seconds = min(run() for _ in range(3))
  found = profiling.seconds_by_op(profiling.trace(run, folder))
  return seconds, profiling.table(found, profiling.full_names(compiled.as_text()))


def _random(shape: tuple[int, ...], vocabulary: int) -> Batch:
  ids = np.random.default_rng(0).integers(0, vocabulary, (*shape[:-1], shape[-1] + 1))
  ids = ids.astype(np.int32)
  positions = np.broadcast_to(np.arange(shape[-1], dtype=np.int32), shape).copy()
  ones = np.ones(shape, np.int32)
  return Batch(ids[..., :-1], ids[..., 1:], ones.astype(np.float32), positions, ones)
