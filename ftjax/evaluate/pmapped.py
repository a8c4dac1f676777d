"""The evaluation loop: every row counts once, whatever the batch size and the number of devices.

On each device: hidden states of its rows -> each metric's sums -> psum. On the host: float64 sums
over all batches, and one division at the end. Rows are filled up to what the devices divide with
rows of weight 0.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from ftjax import tree
from ftjax.batch import Batch
from ftjax.config import InputError, choice
from ftjax.evaluate.outputs import Hidden, load_metrics
from ftjax.models import decoder
from ftjax.models.config import ModelConfig
from ftjax.parallel.mesh import BATCH, replicated
from ftjax.parallel.pjit import pjit

PARTITIONS = ("pmap", "mesh")
Evaluator = Callable[[Any, Iterator[Batch]], dict[str, float]]


def make_evaluator(
  config: ModelConfig,
  dtype=jnp.float32,
  attention: str = "auto",
  partition: str = "pmap",
  mesh: Mesh | None = None,
  *,
  metrics: Sequence[str] = ("perplexity",),
  devices: Sequence[jax.Device] | None = None,
) -> Evaluator:
  """fn(variables, batches [B, T]) -> {"loss", "perplexity", "accuracy", "tokens"} (and what other
  metrics give).

  partition "pmap": `jax.pmap` over this process's devices (or `devices`), parameters replicated.
  "mesh": parameters stay where they are sharded over `mesh`, rows go over its data and fsdp axes.
  Both run the same function of a batch. Batches of one shape compile once. Raises InputError when
  replicated parameters do not fit a device.
  """
  modules = load_metrics(metrics, "tokens")
  model = decoder.Decoder(config, jnp.dtype(dtype), attention)

  def sums_of(variables, batch: Batch):
    hidden_BTD, _ = model.apply(variables, batch.tokens, batch.positions, batch.segments)
    outputs = Hidden(hidden_BTD, decoder.head(variables, config))
    return [m.update(batch, outputs) for m in modules]

  if choice(partition, PARTITIONS, "evaluate.partition") == "pmap":
    score, put, rows = _pmapped(sums_of, devices or jax.local_devices())
  elif mesh is None:
    raise ValueError("partition='mesh' wants the mesh")
  else:
    score, put, rows = _over_mesh(sums_of, mesh)

  def evaluate(variables, batches: Iterator[Batch]) -> dict[str, float]:
    variables = put(variables)
    total, waiting = None, None
    for batch in batches:
      sums = score(variables, _fill_up(batch, rows))
      total, waiting = _add(total, waiting), sums  # reads the last batch's sums while this one runs
    total = _add(total, waiting)
    if total is None:
      raise InputError("There are no rows to evaluate on.")
    return {k: v for m, s in zip(modules, total, strict=True) for k, v in m.result(s).items()}

  return evaluate


def _pmapped(sums_of, devices):
  """(score, put, rows): rows of a batch go to the devices in equal parts, each with all
  parameters."""
  mesh = Mesh(np.array(devices), ("device",))
  everywhere, split = NamedSharding(mesh, P()), NamedSharding(mesh, P("device"))
  step = lambda variables, batch: jax.lax.psum(sums_of(variables, batch), "device")
  mapped = jax.pmap(step, axis_name="device", in_axes=(None, 0), devices=devices)

  def put(variables):
    _check_fits(tree.nbytes(variables), devices[0])
    return jax.device_put(variables, everywhere)

  def score(variables, batch: Batch):
    parts = jax.tree.map(lambda x: x.reshape(len(devices), -1, *x.shape[1:]), batch)
    sums = mapped(variables, jax.device_put(parts, split))
    return jax.tree.map(lambda x: x.addressable_data(0), sums)  # psum: every device has the same

  return score, put, len(devices)


def _over_mesh(sums_of, mesh: Mesh):
  """(score, put, rows): one program over the mesh, parameters where they are."""
  split = NamedSharding(mesh, P(BATCH, None))
  compiled = pjit(sums_of, mesh, inputs=(None, split), outputs=replicated(mesh))

  def score(variables, batch: Batch):
    place = lambda x: jax.make_array_from_callback(x.shape, split, lambda index: x[index])
    return compiled(variables, jax.tree.map(place, batch))

  return score, lambda variables: variables, mesh.shape["data"] * mesh.shape["fsdp"]


def _fill_up(batch: Batch, multiple: int) -> Batch:
  """The batch with rows of padding (weights and segments 0) up to a multiple."""
  missing = -batch.tokens.shape[0] % multiple
  return jax.tree.map(lambda x: np.pad(x, ((0, missing), (0, 0))), batch) if missing else batch


def _add(total, sums):
  """float64 sums on the host."""
  if sums is None:
    return total
  sums = jax.tree.map(lambda x: float(np.sum(x, dtype=np.float64)), jax.device_get(sums))
  return sums if total is None else jax.tree.map(lambda a, b: a + b, total, sums)


def _check_fits(needed: int, device: jax.Device) -> None:
  stats = device.memory_stats() or {}
  limit = stats.get("bytes_limit")
  if limit and needed > limit:
    raise InputError(
      f"The parameters take {needed:,} bytes, and one {device.device_kind} has {limit:,}: they "
      "cannot be copied to every "
      "device, as evaluate.partition='pmap' does. Use evaluate.partition='mesh', which splits "
      "them over the devices."
    )
