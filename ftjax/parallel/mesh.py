"""The device mesh and constraints on activations."""

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from ftjax.config import InputError

# In the order in which neighbours talk most: devices of the last axis stand next to each other.
AXES = ("data", "fsdp", "expert", "sequence", "tensor")
BATCH = ("data", "fsdp", "expert")  # rows of a batch are split over all three
TIME = "sequence"  # and the tokens of a row over this one
# Over what parameters are split that are gathered where they are used: every axis whose devices
# would otherwise hold the same.
SHARDS = ("fsdp", "expert", "sequence")


def make_mesh(
  data: int = -1, fsdp: int = 1, tensor: int = 1, sequence: int = 1, expert: int = 1, devices=None
) -> Mesh:
  """A mesh over all devices; one axis may be -1 = whatever is left.

  data: copies of the parameters, each on its own rows. fsdp: parameters, gradients and optimizer
  state split, gathered where used; rows too. tensor: heads, MLP width and vocabulary split.
  sequence: the tokens of every row split, for long rows; parameters as by fsdp. expert: the experts
  of a mixture split, whole; all else as by fsdp.
  """
  devices = jax.devices() if devices is None else devices
  sizes = mesh_sizes(
    len(devices), data=data, fsdp=fsdp, tensor=tensor, sequence=sequence, expert=expert
  )
  return jax.make_mesh(sizes, AXES, axis_types=(AxisType.Auto,) * len(AXES), devices=devices)


def mesh_sizes(count: int, **given: int) -> tuple[int, ...]:
  """How many of `count` devices stand along each of AXES. Raises InputError where they do not fill
  the mesh."""
  sizes = {axis: given[axis] for axis in AXES}
  free = [axis for axis, size in sizes.items() if size == -1]
  known = int(np.prod([size for size in sizes.values() if size != -1]))
  bad = len(free) > 1 or any(size < 1 for size in sizes.values() if size != -1)
  if not bad and free:
    sizes[free[0]] = count // known
  if bad or int(np.prod(list(sizes.values()))) != count:
    usual = ("data", "fsdp", "tensor")
    said = [f"mesh.{k}={given[k]}" for k in (*usual, "sequence", "expert")
            if k in usual or given[k] != 1]  # fmt: skip
    raise InputError(
      f"{' '.join(said)} does not cover {count} device(s): the product must be {count}. "
      "Set one of them to -1 to take what is left."
    )
  return tuple(sizes.values())


def rows_split(mesh: Mesh | jax.sharding.AbstractMesh) -> int:
  """Over how many devices the rows of a batch are split."""
  return int(np.prod([mesh.shape[axis] for axis in BATCH]))


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
  replicated, or split over the first ones of their axes only."""
  sizes = dict(zip(mesh.axis_names, mesh.axis_sizes, strict=True))
  parts = []
  for size, part in zip(shape, tuple(spec) + (None,) * (len(shape) - len(spec)), strict=True):
    several = part if isinstance(part, tuple) else ()
    axes = (part,) if isinstance(part, str) else tuple(a for a in several if sizes[a] > 1)
    while size % int(np.prod([sizes[a] for a in axes])):
      axes = axes[:-1]
    parts.append(axes if len(axes) > 1 else axes[0] if axes else None)
  return P(*parts)


def replicated(mesh: Mesh) -> NamedSharding:
  """The same value on every device."""
  return NamedSharding(mesh, P())
