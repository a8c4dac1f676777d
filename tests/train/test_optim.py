"""Schedules are transformers', AdamW is PyTorch's, decay means the same to every optimizer."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ftjax import tree
from ftjax.config import InputError
from ftjax.defaults import get_config
from ftjax.train import optim


@pytest.mark.parametrize("name", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("warmup", [0, 5])
def test_schedules_are_those_of_transformers(name, warmup):
  import torch
  from transformers import get_scheduler

  kind = {"constant": "constant_with_warmup"}.get(name, name)
  optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-4)
  theirs = get_scheduler(kind, optimizer, num_warmup_steps=warmup, num_training_steps=30)
  ours = optim.make_schedule(name, 3e-4, warmup=warmup, total=30)
  for step in range(30):
    np.testing.assert_allclose(float(ours(step)), theirs.get_last_lr()[0], rtol=1e-5, atol=1e-10)
    optimizer.step()
    theirs.step()


def test_warmup_starts_at_rate_zero():
  assert float(optim.make_schedule("linear", 1.0, warmup=5, total=50)(0)) == 0.0


def test_adamw_is_pytorchs_with_clipping_and_decay_of_matrices_alone():
  import torch

  rng = np.random.default_rng(0)
  start = {
    "a": {"kernel": rng.normal(size=(3, 5))},
    "n": {"scale": rng.normal(size=7), "bias": rng.normal(size=2)},
  }
  start = jax.tree.map(lambda x: x.astype(np.float32), start)
  names = ["a/kernel", "n/bias", "n/scale"]
  tx = optim.make_optimizer(
    "adamw", optax.constant_schedule(0.01), b1=0.8, b2=0.95, weight_decay=0.3, clip=1.0
  )
  ours, state = start, tx.init(start)
  theirs = [torch.nn.Parameter(torch.tensor(x)) for x in jax.tree.leaves(start)]
  groups = [
    {"params": [p], "weight_decay": 0.3 if name.endswith("kernel") else 0.0}
    for name, p in zip(names, theirs, strict=True)
  ]
  adamw = torch.optim.AdamW(groups, lr=0.01, betas=(0.8, 0.95), eps=1e-8)
  for step in range(5):
    grads = jax.tree.map(
      lambda x, s=step: (rng.normal(size=x.shape) * (s + 1)).astype(np.float32), start
    )
    updates, state = tx.update(grads, state, ours)
    ours = optax.apply_updates(ours, updates)
    for p, g in zip(theirs, jax.tree.leaves(grads), strict=True):
      p.grad = torch.tensor(g)
    torch.nn.utils.clip_grad_norm_(theirs, 1.0)
    adamw.step()
  for a, b in zip(jax.tree.leaves(ours), theirs, strict=True):
    np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", sorted(optim.OPTIMIZERS))
def test_every_optimizer_lowers_a_quadratic(name):
  tx = optim.make_optimizer(name, optax.constant_schedule(0.05), weight_decay=0.0, clip=0.0)
  params = {"a": {"kernel": jnp.full((4, 4), 2.0)}}
  state = tx.init(params)
  loss = lambda p: jnp.square(p["a"]["kernel"]).sum()
  before = loss(params)
  for _ in range(20):
    updates, state = tx.update(jax.grad(loss)(params), state, params)
    params = optax.apply_updates(params, updates)
  assert loss(params) < 0.9 * before


@pytest.mark.parametrize("name", sorted(optim.OPTIMIZERS))
@pytest.mark.parametrize("rate", [1e-6, 0.1])
def test_decay_is_the_same_for_every_optimizer(name, rate):
  """A share of rate x weight_decay of a matrix, and nothing of its bias or norm, without a gradient."""
  like = lambda *shape: jnp.ones(shape, jnp.float32)
  mlp = {"up": {"kernel": like(2, 4, 8), "bias": like(2, 8)}, "norm": {"scale": like(2, 8)}}
  params = {"params": {"embed": {"tokens": like(9, 8)}, "layers": {"mlp": mlp}}}
  tx = optim.make_optimizer(name, optax.constant_schedule(rate), weight_decay=0.5)
  updates, _ = tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)
  for leaf, x in tree.flatten(optax.apply_updates(params, updates)).items():
    wanted = 1 - rate * 0.5 if leaf.endswith(("kernel", "tokens")) else 1.0
    np.testing.assert_allclose(x, wanted, rtol=1e-7, err_msg=leaf)


@pytest.mark.parametrize("name", ["muon", "apollo"])
def test_tables_of_matrix_optimizers_have_adam(name):
  """With its momenta: b1, b2 and eps reach it."""
  table = {"params": {"embed": {"tokens": jnp.asarray(np.linspace(1, 2, 12).reshape(3, 4))}}}

  def after_three(name):
    tx = optim.make_optimizer(name, optax.constant_schedule(0.1), b1=0.7, b2=0.6, eps=0.5, clip=0.0)
    params, state = table, tx.init(table)
    for scale in (1.0, 0.1, 3.0):
      grads = jax.tree.map(lambda x, s=scale: s * jnp.sin(x), table)
      updates, state = tx.update(grads, state, params)
      params = optax.apply_updates(params, updates)
    return jax.tree.leaves(params)[0]

  np.testing.assert_array_equal(after_three(name), after_three("adamw"))


def test_errors_name_the_key_and_what_is_allowed():
  with pytest.raises(
    InputError, match=r"optim.schedule='cosin' is not known. Use one of: constant, linear, cosine"
  ):
    optim.make_schedule("cosin", 1e-3, warmup=0, total=10)
  with pytest.raises(InputError, match="optim.name='adam' is not known"):
    optim.make_optimizer("adam", optax.constant_schedule(1e-3))
  with pytest.raises(InputError, match="only 10. Shorten the warmup"):
    optim.make_schedule("linear", 1e-3, warmup=10, total=10)
  with pytest.raises(InputError, match="optim.learning_rate=-1 must be greater than 0"):
    optim.make_schedule("linear", -1, warmup=0, total=10)


def test_schedule_free_is_the_three_lines_of_its_paper():
  """Defazio et al. 2024, algorithm 1, with warmup: the first update has rate 0 and no weight."""
  b1, b2, eps, rates = 0.9, 0.95, 1e-8, [0.0, 0.05, 0.1, 0.1, 0.1]
  slope = lambda y: np.array([1.0, 4.0, -2.0], np.float32) * y + 1
  tx = optim.make_optimizer(
    optim.SCHEDULE_FREE, lambda n: jnp.asarray(rates)[n], b1=b1, b2=b2, eps=eps, clip=0.0
  )
  ours = {"kernel": np.array([1.0, -2.0, 3.0], np.float32)}
  state = tx.init(ours)
  x = y = z = ours["kernel"].astype(np.float64)
  v, total, highest = np.zeros(3), 0.0, 0.0
  for t, rate in enumerate(rates, 1):
    updates, state = tx.update({"kernel": slope(ours["kernel"])}, state, ours)
    ours = optax.apply_updates(ours, updates)
    g = slope(y)
    v = b2 * v + (1 - b2) * g**2
    z = z - rate * g / (np.sqrt(v / (1 - b2**t)) + eps)
    highest = max(highest, rate)
    total += highest**2
    x = x + (highest**2 / total if total else 0) * (z - x)
    y = (1 - b1) * z + b1 * x
    np.testing.assert_allclose(ours["kernel"], y, rtol=1e-5)
    np.testing.assert_allclose(optim.averaged(state, ours)["kernel"], x, rtol=1e-5)


@pytest.mark.parametrize(
  "changes, message",
  [
    ({"optim.schedule": "cosine"}, "does not go with optim.schedule=cosine. Set it to constant"),
    ({"optim.b1": 0.0}, "does not go with optim.b1=0.0"),
    ({"optim.ema": 0.9}, "optim.ema=0.9. Set it to 0: it keeps an average"),
    ({"optim.l2sp": 0.1}, "optim.l2sp=0.1"),
    ({"model.dtype": "bfloat16"}, "model.dtype=bfloat16. Set it to float32"),
  ],
)
def test_what_schedule_free_does_not_go_with(changes, message):
  config = get_config()
  config.update_from_flattened_dict(
    {"optim.name": optim.SCHEDULE_FREE, "optim.schedule": "constant"} | changes
  )
  with pytest.raises(InputError, match=message):
    optim.check(config)


@pytest.mark.parametrize(
  "changes, message",
  [
    ({"b2": 1.0}, "optim.b2=1.0 must be at least 0 and below 1"),
    ({"b1": -0.1}, "optim.b1=-0.1 must be"),
    ({"eps": 0.0}, "optim.eps=0.0 must be above 0"),
    ({"clip": -1.0}, r"optim.clip=-1.0 must be 0 \(none\) or greater"),
    ({"weight_decay": float("nan")}, "optim.weight_decay=nan must be"),
    ({"rank": 0}, "optim.rank=0 must be 1 or greater"),
    ({"rank": 16}, "optim.rank=16 has no effect with optim.name=adamw. Leave it at 128"),
    ({"name": "lion", "eps": 1e-6}, "optim.eps=1e-06 has no effect with optim.name=lion"),
    ({"name": "sgd", "b2": 0.9}, "optim.b2=0.9 has no effect with optim.name=sgd"),
    ({"name": "adafactor", "b1": 0.5}, "optim.b1=0.5 has no effect with optim.name=adafactor"),
    ({"stochastic_rounding": True, "l2sp": 0.1}, "optim.l2sp=0.1 pulls weights less far"),
  ],
)
def test_settings_out_of_range_or_without_effect_are_refused(changes, message):
  config = get_config()
  config.model.dtype = "bfloat16"
  config.optim.update(changes)
  with pytest.raises(InputError, match=message):
    optim.check(config)


@pytest.mark.parametrize("name", sorted(optim.OPTIMIZERS))
def test_what_is_used_is_what_changes_an_update(name):
  """Of a matrix and a table after three gradients: the table of USES says which numbers count."""
  mlp = {"up": {"kernel": jnp.asarray(np.random.default_rng(0).normal(size=(1, 4, 6)))}}
  params = {"params": {"embed": {"tokens": mlp["up"]["kernel"][0]}, "layers": {"mlp": mlp}}}

  def after(**keys):
    tx = optim.make_optimizer(name, optax.constant_schedule(0.1), clip=0.0, **keys)
    now, state = params, tx.init(params)
    for scale in (1.0, -0.005, -0.3):
      updates, state = tx.update(jax.tree.map(lambda x, s=scale: s * x, params), state, now)
      now = optax.apply_updates(now, updates)
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(now)])

  usual, others = after(), {"b1": 0.5, "b2": 0.5, "eps": 0.5, "rank": 1}
  used = [key for key, x in others.items() if not np.array_equal(usual, after(**{key: x}))]
  assert used == optim.USES[name].split()
