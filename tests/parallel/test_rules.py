"""Where parameters live: every leaf by exactly one rule, read straight to its place, and the same
numbers as alone."""

import functools
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from ftjax import tree
from ftjax.models import decoder, hf, lora
from ftjax.models.formats import stored
from ftjax.parallel import rules
from ftjax.parallel.mesh import BATCH, make_mesh, replicated
from ftjax.parallel.pjit import pjit
from tests.families import VARIANTS
from tests.leaves import shapes
from tests.models.reference import quiet, rows
from tests.tiny import KINDS, tiny_checkpoint


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
  """A tiny model of each family, whose sizes divide over some axes and not over others."""
  folder = tmp_path_factory.mktemp("models")
  with quiet():
    kinds = (*KINDS, "mixtral", "olmo2")
    return {kind: hf.open_checkpoint(tiny_checkpoint(kind, folder / kind)) for kind in kinds}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_leaf_matches_one_rule_of_its_own_rank(name):
  for leaf, x in tree.flatten(shapes(name)).items():
    spec = tree.match(leaf.replace("saved/", "params/"), rules.PARAMETERS + rules.ADAPTERS)
    if leaf.startswith("ia3"):
      assert not any(spec), leaf
      continue
    assert len(spec) == len(x.shape), leaf
    assert "layers" not in leaf or spec[0] is None, leaf


def test_full_copies_lie_where_the_parameters_do():
  variables = shapes("llama")
  places = rules.shardings(variables, make_mesh(2, 2, 2))
  assert places["saved"] == places["params"] and tree.count(variables["saved"]) > 1000


def test_every_rule_is_used():
  names = {n for name in VARIANTS for n in tree.flatten(shapes(name))}
  for pattern, _ in rules.PARAMETERS + rules.ADAPTERS:
    assert any(tree.match(n, [(pattern, 1), ("(?!" + pattern + "$).*", 0)]) for n in names), pattern


@pytest.mark.parametrize(
  "name",
  ["params/layers/attention/query/more", "params/embed/more", "other/embed/tokens",
   "lora/embed/more/a", "lora_scale/layers/attention/query/more", "saved/embed/more"],
)  # fmt: skip
def test_a_leaf_without_a_rule_is_an_error(name):
  leaf = tree.unflatten({name: jax.ShapeDtypeStruct((2,), jnp.float32)})
  with pytest.raises(
    ValueError,
    match=f"'{name.replace('saved', 'params')}' must match exactly one pattern, but matches none",
  ):
    rules.shardings(leaf, make_mesh())


def place_on(mesh):
  return lambda name, leaf: tree.flatten(rules.shardings(tree.unflatten({name: leaf}), mesh))[name]


def test_weights_are_read_once_and_straight_to_their_places(checkpoints, monkeypatch):
  c = checkpoints["llama"]
  alone = hf.read(c, jnp.float32)
  mesh = make_mesh(fsdp=2, tensor=2)
  read = []
  preadv = os.preadv
  monkeypatch.setattr(
    stored.os, "preadv", lambda fd, to, at: read.append(sum(map(len, to))) or preadv(fd, to, at)
  )
  variables = hf.read(c, jnp.bfloat16, place_on(mesh))
  assert sum(read) == tree.nbytes(alone)
  expected = rules.shardings(alone, mesh)
  jax.tree.map(
    lambda x, s: x.sharding == s or pytest.fail(f"{x.sharding}, not {s}"), variables, expected
  )
  same = lambda x, y: np.testing.assert_array_equal(np.asarray(x), np.asarray(y.astype(x.dtype)))
  jax.tree.map(same, variables, alone)

  kernel = variables["params"]["layers"]["attention"]["query"]["kernel"]
  assert kernel.sharding.spec == P(None, "fsdp", "tensor", None)
  assert {s.data.shape for s in kernel.addressable_shards} == {(2, 16, 2, 8)}
  table = variables["params"]["embed"]["tokens"]  # 97 ids do not divide over two devices.
  assert table.sharding.spec == P(None, "fsdp")


@pytest.fixture(scope="module")
def alone(checkpoints):
  """fn(family) -> (variables with an adapter, batch, loss and gradients, those of one device)."""
  return functools.cache(lambda kind: _alone(checkpoints[kind]))


def _alone(c):
  model = decoder.Decoder(c.config, attention="xla")
  batch = rows(((9, 4),) * 3 + ((13,),) * 3 + ((5,),) * 2, 16)[:3]
  weigh = (
    np.random.default_rng(1).normal(0, 0.1, (8, 16, 97)).astype("f4") * (batch[2] > 0)[..., None]
  )

  def loss(variables, *batch):
    hidden, _ = model.apply(variables, *batch)
    return (decoder.logits(hidden, decoder.head(variables, c.config)) * weigh).sum()

  targets = lora.linear_layers(c.config, c.table)
  adapter = lora.init(jax.random.key(0), c.config, targets, rank=2, alpha=4)
  adapter["lora"] = jax.tree.map(lambda x: x + 0.1, adapter["lora"])
  variables = hf.read(c, jnp.float32) | adapter
  fn = jax.value_and_grad(loss)
  return variables, batch, fn, jax.jit(fn)(variables, *batch)


@pytest.mark.parametrize(
  "kind, shape",
  [
    ("llama", dict(data=8)),
    ("llama", dict(data=1, fsdp=8)),
    ("llama", dict(data=2, fsdp=2, tensor=2)),
    ("gpt2", dict(data=1, fsdp=4, tensor=2)),
    pytest.param("mixtral", dict(data=2, fsdp=2, tensor=2), marks=pytest.mark.slow),
    ("llama", dict(data=1, fsdp=2, sequence=4)),  # packed documents lie over several devices
    ("mixtral", dict(data=1, fsdp=2, expert=2, sequence=2)),
    ("olmo2", dict(data=2, fsdp=2, tensor=2)),  # a norm over heads that are on two devices
  ],
)
def test_eight_devices_give_what_one_gives(alone, kind, shape):
  variables, batch, fn, expected = alone(kind)
  mesh = make_mesh(**shape)
  places = rules.shardings(variables, mesh)
  split = jax.sharding.NamedSharding(mesh, P(BATCH, None))
  inputs, outputs = (places, split, split, split), (replicated(mesh), places)
  found = pjit(fn, mesh, inputs=inputs, outputs=outputs)(jax.device_put(variables, places), *batch)

  def close(x, y, bound):
    np.testing.assert_allclose(x, y, rtol=bound, atol=bound * max(1, np.abs(y).max()))

  close(found[0], expected[0], 1e-5)
  # Gradients are sums over rows in an order that the devices' timing decides.
  jax.tree.map(lambda x, y: close(x, y, 5e-5), found[1], expected[1])
