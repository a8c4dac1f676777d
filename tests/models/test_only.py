"""Partial freezing: which parameters train.only means, the last layers in a scan of their own, and runs
that change nothing else."""

import jax
import numpy as np
import pytest

from ftjax import tree
from ftjax.config import InputError
from ftjax.finetuning import finetune
from ftjax.models import decoder, hf, only, stacked
from ftjax.models.families import llama
from ftjax.train import optim, rates
from tests.models.reference import tensors_of
from tests.train import toy

CONFIG, VARIABLES = toy.model()
TABLE = llama.weights(CONFIG)


def trained(text: str) -> set[str]:
  """The names of what is trained."""
  return set(tree.flatten(only.split(VARIABLES, only.choose(CONFIG, TABLE, text))[0]))


def test_items_mean_parameters():
  norms = {n for n in tree.flatten(VARIABLES) if "norm/" in n}
  assert trained("norms") == norms and len(norms) == 3
  last = {n for n in trained("last 1 layers")}
  assert last == {
    n.replace("layers", "last_layers") for n in tree.flatten(VARIABLES) if "/layers/" in n
  }
  assert trained("q_proj, lm_head") == {
    "params/layers/attention/query/kernel", "params/head/kernel"
  }  # fmt: skip
  both = trained("last 1 layers, norms")
  assert both == last | norms
  assert trained("last 2 layers") == last  # all of them: nothing is left in front


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("biases", "'biases' is nothing that this model has: no parameter would be trained"),
    ("q_porj", "'q_porj' is nothing that this model has.*q_proj"),
    (", ", "names nothing: no parameter would be trained"),
    ("last 3 layers", "and the model has 2 layers"),
    ("(", "train.only: '\\(' is not a pattern"),
  ],
)
def test_an_empty_trainable_set_is_refused(text, message):
  with pytest.raises(InputError, match=message):
    only.choose(CONFIG, TABLE, text)


def test_two_scans_are_one():
  split = tree.merge(*only.split(VARIABLES, only.choose(CONFIG, TABLE, "last 1 layers")))
  batch = toy.batch(2, 9)
  args = batch.tokens[0], batch.positions[0], batch.segments[0]
  run = lambda v: np.asarray(decoder.Decoder(CONFIG).apply(v, *args)[0])
  np.testing.assert_allclose(run(split), run(VARIABLES), rtol=1e-6, atol=1e-6)
  same = lambda x, y: jax.tree.map(np.testing.assert_array_equal, x, y)
  same(stacked.joined(split), VARIABLES)
  same(stacked.unstack(split, 2), stacked.unstack(VARIABLES, 2))


def test_layers_apart_have_the_rates_that_they_have_together():
  shapes = lambda v: {n: x.shape for n, x in tree.flatten(v).items()}
  whole = rates.multipliers(shapes(VARIABLES), layer_decay=0.5)
  split = rates.multipliers(shapes(stacked.apart(VARIABLES, 1)), layer_decay=0.5)
  name = "params/layers/mlp/up/kernel"
  assert whole[name].tolist() == [0.25, 0.5]
  assert split[name].tolist() == [0.25]
  assert split[name.replace("layers", "last_layers")].tolist() == [0.5]


def test_optimizer_state_is_only_for_what_is_trained():
  mine, _ = only.split(VARIABLES, only.choose(CONFIG, TABLE, "last 1 layers"))
  tx = optim.make_optimizer("adamw", lambda step: 1e-3)
  moments = tree.count(jax.eval_shape(tx.init, mine))
  assert 2 * tree.count(mine) <= moments < 2 * tree.count(mine) + 10
  assert tree.count(mine) < tree.count(VARIABLES) / 2


@pytest.mark.parametrize(
  "text", ["last 1 layers", pytest.param("final_norm", marks=pytest.mark.slow)]
)
def test_a_run_changes_no_bit_of_what_is_frozen(tmp_path, text):
  source = toy.save_model(tmp_path / "base")
  rows = toy.write_rows(tmp_path / "rows.jsonl", 40)
  before = tensors_of(source)
  changes = dict(train__only=text, train__duration="3 steps", eval__samples=0)
  finetune(toy.run_config(source, rows, **changes), tmp_path / "run")
  after = tensors_of(tmp_path / "run" / "final")
  assert before.keys() == after.keys()
  changed = {n for n, x in before.items() if x.tobytes() != after[n].tobytes()}
  if text == "final_norm":
    assert changed == {"model.norm.weight"}
  else:
    assert changed == {n for n in before if ".layers.1." in n}
  assert hf.open_checkpoint(tmp_path / "run" / "final").config == CONFIG


def test_only_and_an_adapter_are_refused_together(tmp_path):
  changes = dict(train__only="norms", adapter__kind="ia3")
  rows = toy.write_rows(tmp_path / "rows.jsonl", 4)
  with pytest.raises(InputError, match="train.only='norms' says which.*Use one of the two"):
    finetune(toy.run_config(tmp_path, rows, **changes), tmp_path / "run")
