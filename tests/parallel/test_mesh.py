"""Meshes over eight fake devices, and what fits on them."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from ftjax.config import InputError
from ftjax.parallel.mesh import constrain, fit, make_mesh, replicated
from ftjax.parallel.pjit import pjit


@pytest.mark.parametrize(
  "asked, given",
  [
    ({}, (8, 1, 1, 1, 1)),
    (dict(data=1, fsdp=-1), (1, 8, 1, 1, 1)),
    (dict(tensor=2, fsdp=2), (2, 2, 1, 1, 2)),
    (dict(data=1, sequence=2, expert=-1), (1, 1, 4, 2, 1)),
  ],
)
def test_one_axis_takes_what_is_left(asked, given):
  mesh = make_mesh(**asked)
  assert tuple(mesh.shape.values()) == given and mesh.axis_types == (AxisType.Auto,) * 5


def test_some_of_the_devices():
  assert make_mesh(devices=jax.devices()[:1]).size == 1


@pytest.mark.parametrize(
  "asked",
  [
    dict(data=3), dict(data=16), dict(data=-1, fsdp=-1), dict(data=0), dict(fsdp=0), dict(fsdp=-2),
    dict(tensor=3), dict(fsdp=16),
  ],
)  # fmt: skip
def test_a_mesh_that_does_not_cover_the_devices(asked):
  sizes = dict(data=-1, fsdp=1, tensor=1) | asked
  given = " ".join(f"mesh.{axis}={size}" for axis, size in sizes.items())
  with pytest.raises(InputError, match=f"{given} does not cover 8 .*: the product must be 8.*-1"):
    make_mesh(**asked)


@pytest.mark.parametrize(
  "spec, shape, expected",
  [
    (P("fsdp", "tensor"), (4, 6), P("fsdp", "tensor")),
    (P("fsdp", "tensor"), (5, 6), P(None, "tensor")),
    (P(("data", "fsdp"), None), (4, 7), P(("data", "fsdp"), None)),
    (P(("data", "fsdp"), None), (6, 7), P("data", None)),
    (P(("data", "fsdp"), None), (5, 7), P(None, None)),
    (P("fsdp"), (4, 3, 2), P("fsdp", None, None)),
  ],
)
def test_what_does_not_divide_is_replicated(spec, shape, expected):
  assert fit(spec, shape, make_mesh(fsdp=2, tensor=2)) == expected


def test_constraints_act_on_a_mesh_and_nowhere_else():
  constrained = lambda x: constrain(x * 2, ("data", "fsdp"), "tensor")
  x = jnp.ones((8, 4))
  mesh = make_mesh(fsdp=2, tensor=2)
  y = pjit(constrained, mesh, inputs=replicated(mesh), outputs=None)(x)
  assert y.sharding.spec == P(("data", "fsdp"), "tensor")
  assert constrained(x).sharding.is_fully_replicated
  assert jax.pmap(constrained)(jnp.ones((8, 2, 2))).shape == (8, 2, 2)


def test_a_partitioned_function_donates_and_traces_once():
  mesh = make_mesh()
  rows = jax.sharding.NamedSharding(mesh, P("data"))
  add = pjit(lambda x, y: x + y, mesh, inputs=(rows, rows), outputs=rows, donate=(0,))
  x, y = (jax.device_put(jnp.ones(16), rows) for _ in range(2))
  compiled = add.compile(jax.ShapeDtypeStruct((16,), jnp.float32), y)
  assert compiled.memory_analysis().argument_size_in_bytes > 0
  z = add(add(x, y), y)
  assert x.is_deleted() and not y.is_deleted() and add.traces == 1
  assert z.sharding == rows and float(z[0]) == 3
