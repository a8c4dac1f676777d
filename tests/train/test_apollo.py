"""Laws of APOLLO: whose direction and whose size its steps have, and what its moments take."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ftjax import tree
from ftjax.train import optim
from ftjax.train.apollo import GROWTH

RATE = optax.constant_schedule(1.0)


def kernels(**leaves):
  return {"params": {"layers": {"mlp": {n: {"kernel": jnp.asarray(x)} for n, x in leaves.items()}}}}


def steps(grads, *, rank=128, name="apollo"):
  """The update of every gradient in turn, the rate's sign taken away."""
  tx = optim.make_optimizer(name, RATE, clip=0.0, rank=rank)
  state, found = tx.init(grads[0]), []
  for g in grads:
    updates, state = tx.update(g, state, g)
    found.append([-np.asarray(x) for x in jax.tree.leaves(updates)])
  return found


def normal(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_a_step_has_the_gradients_direction_and_the_size_of_adams():
  g = normal(1, 512, 640)
  [[ours]], [[adams]] = steps([kernels(up=g)]), steps([kernels(up=g)], name="adamw")
  size = lambda x: np.linalg.norm(x[0], axis=0)
  cosine = (ours[0] * g[0]).sum(0) / size(ours) / size(g)
  np.testing.assert_allclose(cosine, 1, atol=1e-5)
  ratio = size(ours) / size(adams)
  assert abs(ratio.mean() - 1) < 0.02 and ratio.std() < 2 / np.sqrt(2 * 128)


def test_columns_lie_along_the_longer_side():
  g = normal(1, 24, 40)
  [[wide]], [[tall]] = steps([kernels(up=g)], rank=8), steps([kernels(up=g.swapaxes(1, 2))], rank=8)
  np.testing.assert_allclose(tall.swapaxes(1, 2), wide, rtol=1e-5)


def test_stacked_layers_are_matrices_of_their_own():
  g = normal(2, 24, 40)
  [[both]] = steps([kernels(up=g)], rank=8)
  for i in range(2):
    [[alone]] = steps([kernels(up=g[i : i + 1])], rank=8)
    np.testing.assert_allclose(both[i], alone[0], rtol=1e-5)


def test_a_step_is_hardly_longer_than_the_last_one():
  g = normal(1, 24, 40)
  small = g * (np.arange(40) == 0)  # one column alone
  first, second = steps([kernels(up=small), kernels(up=g)], rank=8)
  size = lambda x: np.linalg.norm(x[0])
  assert size(second) == pytest.approx(GROWTH * size(first), rel=1e-5)


def test_moments_have_rank_rows_and_tables_have_adams():
  params = kernels(up=np.zeros((2, 96, 512)), down=np.zeros((2, 512, 96)))
  params["params"]["embed"] = {"tokens": jnp.zeros((100, 96))}
  state = jax.eval_shape(optim.make_optimizer("apollo", RATE, rank=16).init, params)
  low, whole = 2 * 2 * 16 * 512 * 4, 100 * 96 * 4
  assert tree.nbytes(state) == pytest.approx(2 * (low + whole), rel=0.001)


def test_a_table_alone_is_adams():
  table = {"params": {"embed": {"tokens": jnp.asarray(normal(5, 6))}}}
  [[ours]], [[adams]] = steps([table]), steps([table], name="adamw")
  np.testing.assert_array_equal(ours, adams)


def test_it_learns_what_adam_learns():
  target = normal(1, 16, 32, seed=1)

  def last(name):
    tx = optim.make_optimizer(name, optax.linear_schedule(0.1, 0.0, 120), clip=0.0, rank=4)
    loss = lambda p: jnp.square(p["params"]["layers"]["mlp"]["up"]["kernel"] - target).mean()

    def step(carry, _):
      params, state = carry
      value, grads = jax.value_and_grad(loss)(params)
      updates, state = tx.update(grads, state, params)
      return (optax.apply_updates(params, updates), state), value

    start = kernels(up=np.zeros_like(target))
    return np.asarray(jax.lax.scan(step, (start, tx.init(start)), length=120)[1])

  losses = last("apollo")
  assert losses[-1] < 0.01 * losses[0], (losses[::20], last("adamw")[::20])
