"""Products in eight bits: how near they are, what scales them, and which gradients stay exact."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ftjax.models.decoder import Decoder
from ftjax.models.matmul import matmul
from ftjax.train.step import make_loss
from tests.train import toy

NEAR = {"int8": 0.012, "fp8": 0.05}  # relative errors of normal numbers


def normal(*shape, seed=0):
  return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def error(found, wanted):
  return float(jnp.linalg.norm(found - wanted) / jnp.linalg.norm(wanted))


@pytest.mark.parametrize("kind", NEAR)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_products_and_gradients_are_near_those_in_full(kind, dtype):
  x, w, g = (
    normal(48, 256).astype(dtype),
    normal(256, 64, seed=1).astype(dtype),
    normal(48, 64, seed=2),
  )
  wide = [x.astype(jnp.float32), w.astype(jnp.float32)]
  wanted, back = jax.vjp(lambda x, w: x @ w, *wide)
  dx, dw = back(g.astype(dtype).astype(jnp.float32))
  found, back = jax.vjp(lambda x, w: matmul(x, w, kind), x, w)
  mine = back(g.astype(dtype))
  assert found.dtype == dtype and [m.dtype for m in mine] == [dtype, dtype]
  assert 1e-4 < error(found, wanted) < NEAR[kind]
  assert 1e-4 < error(mine[0], dx) < 1.5 * NEAR[kind]
  assert error(mine[1], dw) < (1e-6 if dtype == jnp.float32 else 0.01)  # as it is without


def test_rows_and_columns_have_scales_of_their_own_in_int8():
  """A row a million times as large as the others costs them nothing."""
  x, w = normal(8, 64).at[0].multiply(1e6), normal(64, 16, seed=1).at[:, 0].multiply(1e6)
  found, wanted = matmul(x, w, "int8"), x @ w
  assert error(found[1:, 1:], wanted[1:, 1:]) < NEAR["int8"]
  assert error(matmul(x, w, "fp8")[1:, 1:], wanted[1:, 1:]) > 0.5  # which has one for all


@pytest.mark.parametrize("kind", NEAR)
def test_zeros_give_zeros(kind):
  x, w = jnp.zeros((3, 8)), normal(8, 4)
  value, grads = jax.value_and_grad(lambda x: matmul(x, w, kind).sum())(x)
  assert value == 0 and np.isfinite(grads).all()


@functools.cache
def loss_and_gradients(kind):
  config, variables = toy.model()
  batch = jax.tree.map(lambda x: x[0], toy.batch(4, 16))
  loss = make_loss(Decoder(config, matmul=kind))
  return jax.jit(jax.value_and_grad(lambda v: loss(v, batch, jax.random.key(0))[0]))(variables)


@pytest.mark.parametrize("kind", NEAR)
def test_a_models_loss_and_gradients_are_near_those_in_full(kind):
  (wanted, exact), (found, grads) = loss_and_gradients(""), loss_and_gradients(kind)
  flat = lambda tree: jnp.concatenate([x.ravel() for x in jax.tree.leaves(tree)])
  assert 0 < abs(found / wanted - 1) < 0.01
  # A model 16 wide, its weights far from any that was trained, amplifies what products lose.
  assert 0.001 < error(flat(grads), flat(exact)) < {"int8": 0.15, "fp8": 0.35}[kind]
