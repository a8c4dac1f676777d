"""A run planned: its real step compiled for devices that are not here, and what that says; or, for
GPUs, an estimate by formula."""

import math
import re
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
from jax.sharding import AbstractMesh, AxisType
from ml_collections import ConfigDict

from ftjax import apart, fitting
from ftjax.assembly import Assembled, abstract_state, assemble, remat_of
from ftjax.config import check_keys, positive
from ftjax.defaults import get_config
from ftjax.models import hf, shapes
from ftjax.models.adapters import starting
from ftjax.models.config import ModelConfig
from ftjax.models.quant import base as quant
from ftjax.parallel import memory
from ftjax.parallel import topology as topologies
from ftjax.parallel.chips import CHIPS, GPUS, Chip
from ftjax.parallel.mesh import AXES, TIME, make_mesh, mesh_sizes, rows_split
from ftjax.parallel.topology import Topology
from ftjax.pretrained import Opened, computed_in, dtype_of, open_run, resolved, shapes_of
from ftjax.research.plan import estimate, hlo
from ftjax.train.state import TrainState


@dataclass(frozen=True)
class Planned:
  """What is known of a step on one device (a chip, or of tpu7x half of one). Bytes are of one device
  and seconds of one update."""

  topology: str
  devices: int
  fits: bool
  peak_bytes_per_chip: int
  usable_bytes_per_chip: int
  trained_bytes: int  # parameters that are trained
  optimizer_bytes: int
  frozen_bytes: int
  temporary_bytes: int  # activations, gradients, gathered parameters: what dies with the step
  host_bytes: int = 0  # in the host's memory, where train.remat=offload puts activations there
  tokens: int = 0  # of one update, over all devices
  compiled: bool = True  # False: by formula
  compile_seconds: float = 0.0
  collectives: dict[str, hlo.Collective] = field(default_factory=dict)
  estimated: estimate.Time | None = None
  said: str = ""  # by the compiler, where it gave up
  advice: str = ""  # where it does not fit
  remat: str = ""  # train.remat, where "auto" has been settled


@dataclass(frozen=True)
class Model:
  """A run's model as shapes: nothing but its config.json is read."""

  opened: Opened
  trainable: Any
  frozen: Any

  @property
  def config(self) -> ModelConfig:
    return self.opened.checkpoint.config


def plan(config: ConfigDict, topology: str) -> Planned:
  """What the step of `config` needs on a topology (v5e:2x2, cpu:1, h100:8).

  Raises InputError for bad config, or where the compiler for TPUs is not installed.
  """
  where = topologies.parse(topology, GPUS)
  model = described(config)
  config = resolved(config, model.opened)
  for remat in fitting.remats(config, where.platform, where.count):
    own = fitting.with_remat(config, remat)
    found = (by_formula if where.platform == "gpu" else compiled)(own, where, model)
    if found.fits:
      break
  return replace(found, remat=remat)


def compiled(config: ConfigDict, where: Topology, model: Model) -> Planned:
  """`by_compiling`, for a TPU in a process of its own: libtpu 0.0.42 dies without a word on some
  programs."""
  if where.platform != "tpu":
    return by_compiling(config, where, model)
  return apart.call(
    _in_its_process, config, where,
    crashed=f"The compiler for TPUs crashed on this step for {where.name}. It is a fault of the compiler, which says "
    "no more: try another mesh, a slice of more chips, train.remat or model.attention.",
  )  # fmt: skip


def _in_its_process(config: ConfigDict, where: Topology) -> Planned:
  return by_compiling(config, where, described(config))


def described(config: ConfigDict) -> Model:
  """The model of a run, its variables as shape structs. Raises InputError for bad config."""
  check_keys(config, get_config())
  for key in ("train.batch_size", "train.accumulate", "data.max_length"):
    room, name = key.split(".")
    positive(config[room][name], key)
  starting.check(config.adapter, bool(config.model.new_tokens), config.train.only)
  opened = open_run(config, Opened(_checkpoint(config), None, ()))
  config = resolved(config, opened)
  quant.check(config.model.quantize, config.adapter.kind)
  return Model(opened, *shapes_of(config, opened))


def _checkpoint(config: ConfigDict) -> hf.Checkpoint:
  """The shape alone; with its weights, where it has some and an adapter from a folder may ask for a leaf."""
  folder = Path(config.model.source).expanduser()
  if config.adapter.source and folder.is_dir() and hf.has_weights(folder):
    return hf.open_checkpoint(folder)
  return shapes.shape_only(config.model.source)


def by_compiling(config: ConfigDict, where: Topology, model: Model) -> Planned:
  """The step compiled for the devices of a TPU slice, or for this machine's CPU."""
  devices = topologies.devices(where)
  made, state = _made(config, model, make_mesh(**config.mesh, devices=devices))
  guess = by_formula(config, where, model, len(devices))
  began = time.monotonic()
  try:
    program = made.step.compile(state, made.batch)
  except jax.errors.JaxRuntimeError as e:
    if fitting.EXHAUSTED not in str(e):
      raise
    said = " ".join(str(e).split())[:400]
    needed = [float(x) for x in re.findall(r"(?:Used |temporaries \()([\d.]+)G", said)]
    peak = int(max(needed, default=0) * fitting.GIB)
    fixed = dict(fits=False, said=said, compiled=True, advice=fitting.advice(config, len(devices)))
    return replace(guess, peak_bytes_per_chip=peak, temporary_bytes=0, **fixed)
  took = time.monotonic() - began
  needs = program.memory_analysis()
  peak = memory.peak(needs)
  found = hlo.collectives(program.as_text())
  fits = peak <= guess.usable_bytes_per_chip
  return replace(
    guess,
    fits=fits,
    peak_bytes_per_chip=peak,
    temporary_bytes=needs.temp_size_in_bytes,
    host_bytes=needs.host_temp_size_in_bytes,
    compiled=True,
    compile_seconds=round(took, 1),
    collectives=found,
    estimated=_time(config, where, model, made.step.mesh, guess, found),
    advice="" if fits else fitting.advice(config, len(devices)),
  )


def held(config: ConfigDict, model: Model, mesh) -> tuple[int, int, int]:
  """Bytes of one device: (parameters that are trained, optimizer, frozen)."""
  _, state = _made(config, model, mesh)
  local = lambda part: sum(map(_local, jax.tree.leaves(part)))
  return local(state.trainable), local(state.opt_state), local(state.frozen)


def abstract_mesh(config: ConfigDict, devices: int) -> AbstractMesh:
  """The mesh of a config over so many devices, without devices."""
  sizes = mesh_sizes(devices, **config.mesh)
  return AbstractMesh(sizes, AXES, axis_types=(AxisType.Auto,) * len(AXES))


def by_formula(
  config: ConfigDict,
  where: Topology,
  model: Model,
  devices: int | None = None,
  parts: tuple[int, int, int] | None = None,
) -> Planned:
  """The same without compiling: parameters and optimizer to the byte, activations by formula.

  devices: where a chip is not one device. parts: what `held` gave, where it is known.
  """
  mesh = abstract_mesh(config, devices or where.count)
  fitting.check_rows(config, mesh)
  trained, moments, frozen = parts or held(config, model, mesh)
  flash = config.model.attention != "xla" and (where.platform != "cpu" or mesh.size == 1)
  temporary = estimate.activations(model.config, _shape(config, mesh), flash)
  grads = 0 if config.adapter.kind != "none" else trained
  temporary = int(temporary + grads)
  peak = trained + moments + frozen + temporary
  usable = _usable(where)
  t = config.train
  made = Planned(
    topology=where.name,
    devices=mesh.size,
    fits=peak <= usable,
    peak_bytes_per_chip=peak,
    usable_bytes_per_chip=usable,
    trained_bytes=trained,
    optimizer_bytes=moments,
    frozen_bytes=frozen,
    temporary_bytes=temporary,
    tokens=t.batch_size * t.accumulate * config.data.max_length,
    compiled=False,
    advice="" if peak <= usable else fitting.advice(config, mesh.size),
  )
  sent = estimate.collectives(
    model.config, _shape(config, mesh), sharded=_sharded(mesh), held=frozen + trained,
    trained=trained, accumulate=t.accumulate,
  )  # fmt: skip
  return replace(made, estimated=_time(config, where, model, mesh, made, sent))


def _made(config: ConfigDict, model: Model, mesh) -> tuple[Assembled, TrainState]:
  fitting.check_rows(config, mesh)
  made = assemble(
    config, model.config, model.trainable, model.frozen, mesh,
    warmup=10, total=1000, length=config.data.max_length,
  )  # fmt: skip
  return made, abstract_state(model.trainable, model.frozen, made)


def _shape(config: ConfigDict, mesh) -> estimate.Shape:
  t, m = config.train, config.model
  return estimate.Shape(
    rows=t.batch_size / rows_split(mesh),
    length=config.data.max_length / mesh.shape[TIME],
    tensor=mesh.shape["tensor"],
    sequence=mesh.shape[TIME],
    width=dtype_of(computed_in(m))(0).itemsize,
    gathered=_sharded(mesh) > 1,
    remat=remat_of(config),
    frozen=config.adapter.kind != "none",
    quantized=bool(m.quantize),
  )


def _sharded(mesh) -> int:
  """Over how many devices parameters are split that are gathered where they are used."""
  return mesh.size // (mesh.shape["data"] * mesh.shape["tensor"])


def _time(config, where: Topology, model: Model, mesh, made: Planned, found) -> Any:
  chip = CHIPS.get(where.chip)
  if chip is None:
    return None
  state = 2 * made.trained_bytes + made.optimizer_bytes
  return estimate.time(
    model.config, _shape(config, mesh), chip,
    accumulate=config.train.accumulate, parts=mesh.shape["tensor"], state_bytes=state,
    collectives=found,
  )  # fmt: skip


def _usable(where: Topology) -> int:
  chip: Chip | None = CHIPS.get(where.chip)
  return int(chip.usable) if chip else memory.machine() // where.count


def _local(x: jax.ShapeDtypeStruct) -> int:
  return math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize
