"""Whether a step fits the memory of its devices: compiled before anything runs, refused with what it
needs and what would help."""

import copy
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from ftjax.assembly import AUTO, Assembled, abstract_state, assemble
from ftjax.config import InputError
from ftjax.log import say
from ftjax.models.config import ModelConfig
from ftjax.parallel import distributed, memory
from ftjax.parallel.mesh import SHARDS, rows_split
from ftjax.pretrained import computed_in, dtype_of
from ftjax.train.state import TrainState

EXHAUSTED = "RESOURCE_EXHAUSTED"  # how XLA begins to say that a program is too large
GIB = 2**30


class DoesNotFit(InputError):
  """A step needs more memory than its devices have."""


def remats(config: ConfigDict, platform: str, devices: int) -> tuple[str, ...]:
  """What to try as train.remat, in this order. "auto" is all that is kept, and where that does not
  fit what a block needs; in bfloat16 on a CPU this is the faster one (docs/performance.md)."""
  if config.train.remat != AUTO:
    return (config.train.remat,)
  narrow = dtype_of(computed_in(config.model)) == jnp.bfloat16
  return ("block",) if platform == "cpu" and devices == 1 and narrow else ("none", "block")


def with_remat(config: ConfigDict, remat: str) -> ConfigDict:
  """The config with a train.remat that is settled."""
  config = copy.deepcopy(config)
  config.train.remat = remat
  return config


def compile_first(
  config: ConfigDict, model: ModelConfig, shapes: tuple[Any, Any], mesh, **sizes: int
) -> tuple[ConfigDict, Assembled, Any]:
  """(the config with train.remat settled, what a run is made of, the executable of its step): the
  first of `remats` that fits.

  shapes: (trainable, frozen) as pretrained.shapes_of has them. sizes: assemble's warmup, total and
  length. All processes must call this; process 0 decides. Raises DoesNotFit where nothing fits.
  """
  tried = remats(config, mesh.devices.flat[0].platform, mesh.size)
  for remat, following in zip(tried, (*tried[1:], None), strict=True):
    own, failed, program = with_remat(config, remat), None, None
    made = assemble(own, model, *shapes, mesh, **sizes)
    try:
      program = compile_step(own, made, abstract_state(*shapes, made))
    except DoesNotFit as e:
      failed = e
    if distributed.from_first(int(failed is not None and following is not None)):
      say(f"With train.remat={remat} the step does not fit; compiling with {following} ...")
      continue
    if failed is not None:
      raise failed
    return own, made, program
  raise AssertionError("the last one returns or raises")


def compile_step(config: ConfigDict, made: Assembled, state: TrainState):
  """The executable of a run's step. Raises DoesNotFit where it cannot run in the devices' memory.

  state: arrays or shape structs with their places.
  """
  limit = memory.limit(made.step.mesh.local_mesh.devices.flat[0])
  try:
    program = made.step.compile(state, made.batch)
  except jax.errors.JaxRuntimeError as e:
    if EXHAUSTED not in str(e):
      raise
    said = " ".join(str(e).split())
    raise DoesNotFit(
      f"The step does not fit the device: {said[:300]}. {advice(config, made.step.mesh.size)}"
    ) from e
  check(config, program.memory_analysis(), limit, made.step.mesh.size)
  return program


def check(config: ConfigDict, needs, limit: int | None, devices: int) -> None:
  """Raises DoesNotFit where a program's memory_analysis() is above the limit (bytes of a device;
  either may be unknown)."""
  if needs is None or limit is None or memory.peak(needs) <= limit:
    return
  raise DoesNotFit(
    f"The step does not fit: it needs {memory.peak(needs) / GIB:.2f} GiB per device "
    f"({memory.held(needs) / GIB:.2f} of model and optimizer, {needs.temp_size_in_bytes / GIB:.2f} of "
    f"activations), and the device has {limit / GIB:.2f} GiB. {advice(config, devices)}"
  )


def check_rows(config: ConfigDict, mesh) -> None:
  """Raises InputError for batches that do not divide over the mesh."""
  split = rows_split(mesh)
  for key, size in (
    ("train.batch_size", config.train.batch_size),
    ("eval.batch_size", config.eval.batch_size),
  ):
    if size % split:
      raise InputError(
        f"{key}={size} does not divide over the mesh: mesh.data x mesh.fsdp x mesh.expert = {split}. "
        f"Use a multiple of {split}."
      )


def advice(config: ConfigDict, devices: int) -> str:
  """Two ways out, the cheapest first, where there are so many devices."""
  t, mesh = config.train, config.mesh
  split = any(mesh[axis] not in (0, 1) for axis in (*SHARDS, "tensor"))
  half = t.batch_size // 2
  ways = []
  if t.remat in ("none", "dots"):
    ways.append("train.remat=block computes activations again instead of keeping them")
  if half and t.batch_size % 2 == 0:
    ways.append(
      f"train.batch_size={half} with train.accumulate={2 * t.accumulate} is the same update in halves"
    )
  if not split and devices > 1:
    ways.append(f"mesh.data=1 mesh.fsdp={devices} splits the model over the devices")
  if config.adapter.kind == "none":
    ways.append("adapter.kind=lora trains a small adapter, without optimizer state for the model")
  elif config.model.dtype == "float32":
    ways.append("model.dtype=bfloat16 halves the frozen model")
  elif not config.model.quantize:
    ways.append("model.quantize=nf4 keeps the frozen model in four bits")
  ways.append(f"data.max_length={config.data.max_length // 2} halves the rows")
  return f"Ways out: {ways[0]}; or {ways[1] if len(ways) > 1 else 'a larger device'}."
