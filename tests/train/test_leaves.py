"""Which leaves decay, and which are matrices, of every family and every kind of adapter."""

import jax
import jax.numpy as jnp
import pytest

from ftjax import tree
from ftjax.models import stacked
from ftjax.train import leaves
from tests.families import VARIANTS
from tests.leaves import shapes

TRAINED = ("params", "saved", "lora", "ia3", "rows", "prompt", "prefix")


def trained(name):
  found = tree.flatten(shapes(name))
  return {n: x for n, x in found.items() if n.split("/")[0] in TRAINED}


def dims(name: str, x) -> int:
  """Those of a leaf of one layer, or of one expert of it."""
  return x.ndim - ("/layers/" in name) - ("/experts/" in name and "/router/" not in name)


def is_vector(name: str, x) -> bool:
  """Norms, biases and the like of attention have one dim, or two: heads and their width."""
  role = name.replace("saved/", "params/").rsplit("/", 2)[1:]
  own = dims(name, x)
  beside = ("query_norm", "key_norm", "query", "key", "value", "qkv", "grouped_qkv", "gate_up")
  return own == 1 or own <= 3 and role[0] in beside and role[1] not in ("kernel", "a", "b")


@pytest.mark.parametrize("name", VARIANTS)
def test_vectors_are_not_decayed_and_matrices_are_the_blocks_kernels_and_pairs(name):
  found = trained(name)
  mask = tree.flatten(leaves.decayed(tree.unflatten(found)))
  assert not {n: x.shape for n, x in found.items() if mask[n] == is_vector(n, x)}
  sides = _named(leaves.matrices(tree.unflatten(found)))
  inside = lambda n: "/layers/" in n and n.startswith(("params/", "saved/", "lora/"))
  wanted = {n for n, x in found.items() if inside(n) and not is_vector(n, x)}
  assert {n for n, x in sides.items() if x is not None} == wanted


def test_vectors_by_name():
  """Those that have been decayed by mistake, and what looks like them."""
  every = {n for name in VARIANTS for n in trained(name)}
  mask = tree.flatten(leaves.decayed(tree.unflatten(dict.fromkeys(sorted(every), 0))))
  attention = "layers/attention/"
  no = {
    f"params/{attention}query_norm/scales", f"saved/{attention}key_norm/scales", f"params/{attention}sinks",
    "params/layers/experts/gate_up/bias", "ia3/layers/mlp/down/inputs", f"ia3/{attention}key/outputs",
    f"lora/{attention}query/magnitude", "params/final_norm/scale", "params/head/bias",
  }  # fmt: skip
  yes = {
    "params/embed/tokens", "params/head/kernel", f"lora/{attention}out/a", "rows/embed/tokens/rows",
    f"prefix/{attention}key", f"params/{attention}grouped_qkv/kernel",
  }  # fmt: skip
  assert no | yes <= mask.keys()
  assert {n for n in no | yes if mask[n]} == yes


def test_a_leaf_that_nobody_thought_of_is_an_error():
  with pytest.raises(ValueError, match="'temper' must match exactly one pattern"):
    leaves.decayed({"params": {"layers": {"attention": {"temper": jnp.ones(3)}}}})


def _named(sides) -> dict:
  """By name; jax.tree takes None for no leaf."""
  if not isinstance(sides, dict):
    return {"": sides}
  found = {name: _named(x) for name, x in sides.items()}
  return {f"{n}/{m}".rstrip("/"): x for n, inner in found.items() for m, x in inner.items()}


def test_the_last_layers_alone_have_matrices_too():
  params = {"params": shapes("llama")["params"]}
  zeros = jax.tree.map(lambda x: jnp.zeros(x.shape), params)
  parted = leaves.matrices(stacked.apart(zeros, 1))
  whole = leaves.matrices(params)
  assert parted["params"]["last_layers"] == whole["params"]["layers"]
  assert whole["params"]["layers"]["mlp"]["up"]["kernel"].reduction_axis == (1,)
  assert whole["params"]["layers"]["attention"]["out"]["kernel"].reduction_axis == (1, 2)
