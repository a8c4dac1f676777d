"""The device mesh and constraints on activations."""

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from ftjax.config import InputError

AXES = ("data", "fsdp", "tensor")
BATCH = ("data", "fsdp")  # rows of a batch are split over both


def make_mesh(data: int = -1, fsdp: int = 1, tensor: int = 1, devices=None) -> Mesh:
  """A mesh (data, fsdp, tensor) over all devices; one axis may be -1 = whatever is left.

  data: copies of the parameters, each on its own rows. fsdp: parameters, gradients and optimizer
  state split, gathered where used. tensor: heads, MLP width and vocabulary split.
  """
  devices = jax.devices() if devices is None else devices
  sizes = {"data": data, "fsdp": fsdp, "tensor": tensor}
  free = [axis for axis, size in sizes.items() if size == -1]
  known = int(np.prod([size for size in sizes.values() if size != -1]))
  bad = len(free) > 1 or any(size < 1 for size in sizes.values() if size != -1)
  if not bad and free:
    sizes[free[0]] = len(devices) // known
  if bad or int(np.prod(list(sizes.values()))) != len(devices):
    raise InputError(
      f"mesh.data={data} mesh.fsdp={fsdp} mesh.tensor={tensor} does not cover "
      f"{len(devices)} device(s): the product must be {len(devices)}. "
      "Set one of them to -1 to take what is left."
    )
  return jax.make_mesh(
    tuple(sizes.values()), AXES, axis_types=(AxisType.Auto,) * 3, devices=devices
  )


def ambient() -> jax.sharding.AbstractMesh | None:
  """The mesh of `jax.set_mesh` inside jit; None outside one, and under pmap."""
  mesh = jax.sharding.get_abstract_mesh()
  return None if mesh.empty or mesh.axis_names != AXES else mesh


def platform() -> str:
  """ "cpu", "gpu" or "tpu": of the ambient mesh's devices where they are known (a program may be
  compiled for devices that are not here), else of JAX's own."""
  device = getattr(jax.sharding.get_abstract_mesh(), "abstract_device", None)
  name = device.platform if device is not None else jax.default_backend()
  return "gpu" if name in ("cuda", "rocm") else name


def constrain(x: jax.Array, *axes) -> jax.Array:
  """Shards an activation inside jit: one mesh axis (or a tuple, or None) per dimension of x.

  Does nothing outside a mesh (`jax.set_mesh`), under pmap, and for axes that do not divide their
  dimension.
  """
  mesh = ambient()
  if mesh is None:
    return x
  return jax.lax.with_sharding_constraint(x, fit(P(*axes), x.shape, mesh))


def fit(spec: P, shape: tuple[int, ...], mesh) -> P:
  """`spec` without the axes that do not divide their dimension of `shape`: those dimensions are
  replicated."""
  sizes = dict(zip(mesh.axis_names, mesh.axis_sizes, strict=True))
  parts = []
  for size, part in zip(shape, tuple(spec) + (None,) * (len(shape) - len(spec)), strict=True):
    axes = (part,) if isinstance(part, str) else (part or ())
    divides = size % int(np.prod([sizes[a] for a in axes])) == 0
    parts.append(part if divides else None)
  return P(*parts)


def replicated(mesh: Mesh) -> NamedSharding:
  """The same value on every device."""
  return NamedSharding(mesh, P())
