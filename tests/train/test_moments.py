"""Moments in few bytes and weights in two: right on average, near float32's, the same on a mesh."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ftjax import tree
from ftjax.config import InputError
from ftjax.models.quant.codes import groups
from ftjax.parallel import rules
from ftjax.parallel.mesh import make_mesh
from ftjax.train import moments, optim

KEYS = jax.random.split(jax.random.key(0), 400)
encode = jax.jit(moments.encode, static_argnames=("groups", "signed"))


@pytest.mark.parametrize("signed, most", [(True, 0.075), (False, 0.095)])
def test_codes_are_near_and_right_on_average(signed, most):
  """Over the powers of two that the codes reach, every number is off by less than a ratio, and the
  mean of many codings by much less; zeros stay zeros."""
  x = jnp.exp2(jnp.linspace(0, -12, 512)).at[7].set(0).reshape(2, 256)
  x = x * jnp.where(jnp.arange(256) % 2, -1, 1)[None] if signed else x
  again = jax.vmap(lambda key: moments.decode(moments.encode(x, 1, key, signed=signed)))(KEYS)
  assert again.shape == (400, 2, 256)
  wrong = lambda y: np.abs(np.asarray(y) - np.asarray(x)) / np.maximum(np.abs(x), 1e-9)
  assert wrong(again).max() < most
  assert wrong(again.mean(0)).max() < 0.012
  assert not again[:, 0, 7].any()


def test_what_is_below_the_last_code_is_there_now_and_then():
  x = jnp.full((64, 256), 2.0**-14).at[:, 0].set(1.0)
  again = moments.decode(encode(x, groups=1, key=KEYS[0], signed=True))
  small = np.asarray(again[:, 1:])
  assert 0 < (small != 0).mean() < 1
  np.testing.assert_allclose(small.mean(), 2.0**-14, rtol=0.05)


def test_rounding_is_right_on_average_and_leaves_what_fits():
  x = jnp.asarray([1.0, -1.5, 0.0, 1.001, -3.14159, 1e-3, jnp.inf, 65280.0])
  again = jax.vmap(lambda key: moments.round_at_random(x, key))(KEYS).astype(jnp.float32)
  np.testing.assert_array_equal(again[0, np.array([0, 1, 2, 6, 7])], x[np.array([0, 1, 2, 6, 7])])
  assert all(len(set(np.asarray(again[:, i]))) == 2 for i in (3, 4, 5))
  np.testing.assert_allclose(again[:, :6].mean(0), x[:6], rtol=5e-4)


def quadratic(stored="float32", rounding=False, dtype=jnp.float32, steps=60, rate=0.03):
  """(the loss along Adam's way down a quadratic whose dims differ a thousandfold, the last weights)"""
  stretch = jnp.exp2(jnp.linspace(0, 10, 64))[:, None]
  params = {"a": {"kernel": jnp.ones((64, 128), dtype)}}
  schedule = optax.constant_schedule(rate)
  tx = optim.make_optimizer(
    "adamw", schedule, stored=stored, stochastic_rounding=rounding, clip=0.0, b2=0.99
  )
  loss = lambda p: (stretch * jnp.square(p["a"]["kernel"].astype(jnp.float32))).mean()

  @jax.jit
  def run(params):
    def step(carry, _):
      params, state = carry
      value, grads = jax.value_and_grad(loss)(params)
      updates, state = tx.update(grads, state, params)
      return (optax.apply_updates(params, updates), state), value

    return jax.lax.scan(step, (params, tx.init(params)), length=steps)

  (params, _), losses = run(params)
  return np.asarray(losses), params["a"]["kernel"]


@pytest.mark.parametrize("stored", ["bfloat16", "int8"])
def test_adam_goes_the_same_way(stored):
  wanted, found = quadratic()[0], quadratic(stored)[0]
  assert wanted[-1] < 0.05 * wanted[0]
  np.testing.assert_allclose(np.log(found[:40]), np.log(wanted[:40]), atol=0.1)


def test_small_updates_of_weights_in_two_bytes_vanish_unless_they_are_rounded_at_random():
  """Steps of a 2000th of a weight: to the nearest, no weight moves at all."""
  options = dict(dtype=jnp.bfloat16, rate=5e-4, steps=40)
  _, nearest = quadratic(**options)
  _, random = quadratic(rounding=True, **options)
  _, exact = quadratic(rate=5e-4, steps=40)
  assert (nearest == 1).all() and random.dtype == jnp.bfloat16
  np.testing.assert_allclose(random.astype(jnp.float32).mean(), exact.mean(), rtol=1e-3)
  assert exact.mean() < 0.985


def test_states_take_the_bytes_that_they_should():
  params = {"params": {"layers": {"mlp": {"down": {"kernel": jnp.zeros((2, 96, 512))}}}}}
  size = 2 * 96 * 512
  taken = lambda **k: tree.nbytes(
    jax.eval_shape(optim.make_optimizer(**k, schedule=optax.constant_schedule(1.0)).init, params)
  ) / size  # fmt: skip
  assert taken(name="adamw") == pytest.approx(8, abs=0.01)
  assert taken(name="adamw", stored="bfloat16") == pytest.approx(4, abs=0.01)
  assert taken(name="adamw", stored="int8") == pytest.approx(2 + 8 / 256, abs=0.01)
  assert taken(name="muon") == pytest.approx(4, abs=0.01)
  assert taken(name="lion") == pytest.approx(4, abs=0.01)
  assert groups(512) == 2


@pytest.mark.parametrize("name, stored", [("adamw", "int8"), ("muon", "float32")])
def test_eight_devices_update_as_one(name, stored):
  """Moments and their tops are split as their parameters are, and the sums come out the same."""
  random = np.random.default_rng(0)
  make = lambda: {"params": {"layers": {"mlp": {"down": {
    "kernel": random.normal(size=(2, 64, 1024)).astype("f4")
  }}}}}  # fmt: skip
  params, grads = make(), make()
  tx = optim.make_optimizer(name, optax.constant_schedule(0.1), stored=stored, weight_decay=0.1)

  def run(params, grads):
    state = tx.init(params)
    for _ in range(2):
      updates, state = tx.update(grads, state, params)
      params = optax.apply_updates(params, updates)
    return params

  wanted = jax.jit(run)(params, grads)
  mesh = make_mesh(data=1, fsdp=2, tensor=4)
  places = functools.partial(rules.shardings, mesh=mesh)
  everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
  states = tree.flatten(optim.state_shardings(tx, params, places(params), everywhere))
  split = {n: s.spec for n, s in states.items() if s.spec}
  kernel = next(iter(tree.flatten(places(params)).values())).spec
  assert len(split) == {"int8": 4, "float32": 1}[stored] and set(split.values()) == {kernel}
  with jax.set_mesh(mesh):
    found = jax.jit(run, out_shardings=places(params))(
      *(jax.device_put(x, places(x)) for x in (params, grads))
    )
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_what_would_do_nothing_is_refused():
  check = functools.partial(moments.check, "adamw", "float32", False, "float32", "none")
  check()
  with pytest.raises(InputError, match="optim.moments='fp8' is not known. Use one of: float32"):
    moments.check("adamw", "fp8", False, "float32", "none")
  with pytest.raises(InputError, match="optim.moments=int8 is for optim.name=adamw; lion keeps"):
    moments.check("lion", "int8", False, "float32", "none")
  for dtype, adapter in (("float32", "none"), ("bfloat16", "lora")):
    with pytest.raises(InputError, match="needs model.dtype=bfloat16 and adapter.kind=none"):
      moments.check("adamw", "float32", True, dtype, adapter)
