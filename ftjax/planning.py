"""A run planned: its real step compiled for devices that are not here, and what that says."""

import functools
import math
import re
import time
from dataclasses import dataclass, field
from typing import Any

import jax
from ml_collections import ConfigDict

from ftjax import tree
from ftjax.assembly import Assembled, abstract_state, assemble
from ftjax.models import hf, shapes
from ftjax.models.quant import base as quant
from ftjax.models.tensors import our_shape
from ftjax.parallel import topology as topologies
from ftjax.parallel.mesh import make_mesh
from ftjax.parallel.topology import Topology
from ftjax.pretrained import Opened, dtype_of, open_run, variables_of
from ftjax.research.plan import hlo
from ftjax.research.plan.chips import CHIPS, GPUS
from ftjax.train.state import TrainState


@dataclass(frozen=True)
class Planned:
  """What one compilation says. Bytes are of one device."""

  topology: str
  devices: int
  fits: bool
  peak_bytes_per_chip: int
  hbm_bytes_per_chip: int
  parameters: int  # bytes
  optimizer: int
  frozen: int
  temporary: int  # activations, gradients, gathered parameters: all that dies with the step
  host: int  # bytes in the host's memory, of what is offloaded
  collectives: dict[str, hlo.Collective] = field(default_factory=dict)
  compile_seconds: float = 0.0


def plan(config: ConfigDict, topology: str) -> Planned:
  """Compiles the step of `config` for a topology. Raises InputError for bad config."""
  where = topologies.parse(topology, GPUS)
  devices = topologies.devices(where)
  mesh = make_mesh(**config.mesh, devices=devices)
  opened, trainable, frozen = described(config)
  made = assemble(
    config, opened.checkpoint.config, trainable, frozen, mesh,
    warmup=10, total=1000, length=config.data.max_length,
  )  # fmt: skip
  state = abstract_state(trainable, frozen, made)
  return compiled(where, made, state)


def described(config: ConfigDict) -> tuple[Opened, Any, Any]:
  """(the model, trainable, frozen) of a run, these as shape structs: nothing of the model but its
  config.json is read."""
  opened = open_run(config, Opened(shapes.shape_only(config.model.source), None, ()))
  base = shapes_of(opened.checkpoint, dtype_of(config.model.dtype), config.model.quantize)
  both = jax.eval_shape(functools.partial(variables_of, config, opened, None), base)
  return opened, *both


def shapes_of(checkpoint: hf.Checkpoint, dtype, quantize: str = "") -> dict[str, Any]:
  """{"params", "quant"} as shape structs: what pretrained.read_weights would read."""
  named = {
    "params/" + w.path: jax.ShapeDtypeStruct(our_shape(w, checkpoint.config), dtype)
    for w in checkpoint.table
  }
  return quant.abstract(tree.unflatten(named), quantize)


_OVER = re.compile(r"Used ([\d.]+)G of ([\d.]+)G hbm|temporaries \(([\d.]+)G\) exceeds")


def compiled(where: Topology, made: Assembled, state: TrainState) -> Planned:
  """The step's compilation, and what it says."""
  mine = lambda part: sum(_local(x) for x in jax.tree.leaves(part))
  usable = CHIPS[where.chip].usable
  parts = dict(
    topology=where.name,
    devices=made.step.mesh.size,
    hbm_bytes_per_chip=int(usable),
    parameters=mine(state.trainable),
    optimizer=mine(state.opt_state),
    frozen=mine(state.frozen),
  )
  began = time.monotonic()
  try:
    program = made.step.compile(state, made.batch)
  except jax.errors.JaxRuntimeError as e:
    if "RESOURCE_EXHAUSTED" not in str(e):
      raise
    print(e)
    return Planned(fits=False, peak_bytes_per_chip=0, temporary=0, host=0, **parts)
  took = time.monotonic() - began
  import os

  os.environ.get("DUMP") and open(os.environ["DUMP"], "w").write(program.as_text())
  m = program.memory_analysis()
  held = m.argument_size_in_bytes + m.output_size_in_bytes - m.alias_size_in_bytes
  peak = held + m.temp_size_in_bytes + m.generated_code_size_in_bytes
  print(m, m.peak_memory_in_bytes)
  return Planned(
    fits=peak <= usable,
    peak_bytes_per_chip=peak,
    temporary=m.temp_size_in_bytes,
    host=m.host_temp_size_in_bytes,
    collectives=hlo.collectives(program.as_text()),
    compile_seconds=took,
    **parts,
  )


def _local(x: jax.ShapeDtypeStruct) -> int:
  return math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize
