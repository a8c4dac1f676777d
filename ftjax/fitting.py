"""Whether a step fits the memory of its devices: compiled before anything runs, refused with what it
needs and what would help."""

import jax
from ml_collections import ConfigDict

from ftjax.assembly import Assembled
from ftjax.config import InputError
from ftjax.parallel import memory
from ftjax.parallel.mesh import SHARDS, rows_split
from ftjax.train.state import TrainState

EXHAUSTED = "RESOURCE_EXHAUSTED"  # how XLA begins to say that a program is too large
GIB = 2**30


def compile_step(config: ConfigDict, made: Assembled, state: TrainState):
  """The executable of a run's step. Raises InputError where it cannot run in the devices' memory.

  state: arrays or shape structs with their places.
  """
  limit = memory.limit(made.step.mesh.local_mesh.devices.flat[0])
  try:
    program = made.step.compile(state, made.batch)
  except jax.errors.JaxRuntimeError as e:
    if EXHAUSTED not in str(e):
      raise
    said = " ".join(str(e).split())
    raise InputError(f"The step does not fit the device: {said[:300]}. {advice(config)}") from e
  check(config, program.memory_analysis(), limit)
  return program


def check(config: ConfigDict, needs, limit: int | None) -> None:
  """Raises InputError where a program's memory_analysis() is above the limit (bytes of a device;
  either may be unknown)."""
  if needs is None or limit is None or memory.peak(needs) <= limit:
    return
  raise InputError(
    f"The step does not fit: it needs {memory.peak(needs) / GIB:.2f} GiB per device "
    f"({memory.held(needs) / GIB:.2f} of model and optimizer, {needs.temp_size_in_bytes / GIB:.2f} of "
    f"activations), and the device has {limit / GIB:.2f} GiB. {advice(config)}"
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


def advice(config: ConfigDict) -> str:
  """Two ways out, the cheapest first."""
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
  if not split and jax.device_count() > 1:
    ways.append(f"mesh.data=1 mesh.fsdp={jax.device_count()} splits the model over the devices")
  if config.adapter.kind == "none":
    ways.append("adapter.kind=lora trains a small adapter, without optimizer state for the model")
  elif config.model.dtype == "float32":
    ways.append("model.dtype=bfloat16 halves the frozen model")
  elif not config.model.quantize:
    ways.append("model.quantize=nf4 keeps the frozen model in four bits")
  ways.append(f"data.max_length={config.data.max_length // 2} halves the rows")
  return f"Ways out: {ways[0]}; or {ways[1] if len(ways) > 1 else 'a larger device'}."
