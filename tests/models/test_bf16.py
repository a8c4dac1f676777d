"""Products in bfloat16 on CPUs: what they compute, and that a whole step has no other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params

from ftjax.models import bf16
from ftjax.models.decoder import Decoder
from ftjax.models.matmul import matmul
from ftjax.parallel.mesh import make_mesh
from ftjax.train.step import make_loss
from tests.train import toy


def normal(*shape, seed=0, dtype=jnp.bfloat16):
  return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32).astype(dtype)


@pytest.mark.parametrize("width", [8, 12, 256])  # one group of columns, none, many
@pytest.mark.parametrize("columns", [64, 16, 3])  # of the result: as many as ranks have, too
@pytest.mark.parametrize("kept", [jnp.float32, jnp.bfloat16])
def test_products_are_rounded_once_and_gradients_keep_the_weights_precision(width, columns, kept):
  x, w = normal(48, width), normal(width, columns, seed=1, dtype=kept)
  g = normal(48, columns, seed=2)
  wide = [np.asarray(a.astype(jnp.bfloat16), np.float64) for a in (x, w, g)]
  found, back = jax.vjp(matmul, x, w)
  dx, dw = back(g)
  assert (found.dtype, dx.dtype, dw.dtype) == (jnp.bfloat16, jnp.bfloat16, kept)
  near(found, wide[0] @ wide[1], 2**-8)
  near(dx, wide[2] @ wide[1].T, 2**-8)
  near(dw, wide[0].T @ wide[2], 2**-8 if kept == jnp.bfloat16 else 0)


def near(found, exact, rounding):
  """Within one rounding of what was accumulated in float32."""
  assert (np.abs(np.asarray(found, np.float64) - exact) <= rounding * np.abs(exact) + 2e-5).all()


def products(jaxpr):
  """Every dot_general of a program, however deep."""
  for eqn in jaxpr.eqns:
    if eqn.primitive.name == "dot_general":
      yield eqn
    for inner in jaxprs_in_params(eqn.params):
      yield from products(inner)


@pytest.mark.parametrize("remat", ["none", "block"])
def test_every_product_of_a_step_is_one_that_cpus_have_instructions_for(remat):
  """All but those of attention's small blocks."""
  config, variables = toy.model()
  batch = jax.tree.map(lambda x: x[0], toy.batch(4, 16))
  loss = make_loss(Decoder(config, jnp.bfloat16, remat=remat))
  step = jax.value_and_grad(lambda v: loss(v, batch, jax.random.key(0))[0])
  flat = [e for e in products(jax.make_jaxpr(step)(variables).jaxpr) if not e.params["dimension_numbers"][1][0]]  # fmt: skip
  matrices = 7  # of a layer; each has a product forward and two backward, and so has the head
  assert len(flat) >= 3 * matrices + 3
  for e in flat:
    left, (contracted, _), *_ = e.invars[0].aval, e.params["dimension_numbers"][0]
    assert left.dtype == jnp.bfloat16 and e.outvars[0].aval.dtype == jnp.float32
    assert contracted == (left.ndim - 1,)


def test_no_product_has_a_left_operand_that_is_a_mere_transposition():
  """XLA makes one that contracts another dim of it, in attention's blocks as well."""
  config, variables = toy.model(hidden_size=64, head_dim=16)
  batch = jax.tree.map(lambda x: x[0], toy.batch(4, 32))
  step = jax.grad(
    lambda v: make_loss(Decoder(config, jnp.bfloat16))(v, batch, jax.random.key(0))[0]
  )
  found = list(left_operands(jax.make_jaxpr(step)(variables).jaxpr))
  assert {"reshape", "convert_element_type"} <= set(found) and "transpose" not in found


def left_operands(jaxpr):
  """The primitive that made each product's left operand; "" where it came from outside."""
  made = {v: eqn.primitive.name for eqn in jaxpr.eqns for v in eqn.outvars}
  for eqn in jaxpr.eqns:
    if eqn.primitive.name == "dot_general":
      yield made.get(eqn.invars[0], "")
    for inner in jaxprs_in_params(eqn.params):
      yield from left_operands(inner)


def test_on_a_mesh_of_several_devices_products_are_left_to_the_partitioner():
  assert bf16.applies(jnp.bfloat16) and not bf16.applies(jnp.float32)
  with jax.set_mesh(make_mesh()):
    assert bf16.applies(jnp.bfloat16) == (jax.device_count() == 1)
