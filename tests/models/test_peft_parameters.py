"""Adapters on experts beside what tests/models/test_table.py does: single parameters, and folders
that do not fit."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from ftjax.config import InputError
from ftjax.models import hf, lora
from tests.models.adapters import by_peft, in_peft
from tests.models.reference import difference, ours, rows, theirs

# peft says that patterns of parameters are ignored, and follows them.
pytestmark = [
  pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
  pytest.mark.filterwarnings("ignore:The following (rank|alpha)_pattern keys:RuntimeWarning"),
]

BATCH = rows(((19,), (11, 7)), 19)
EXPERTS = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
MADE = {
  "both of gpt_oss": ("gpt_oss", dict(r=3, target_modules=["q_proj"], target_parameters=EXPERTS)),
  "down alone": ("mixtral", dict(r=2, target_modules=[], target_parameters=EXPERTS[1:])),
  "router and up": (
    "qwen3_moe",
    dict(
      r=2, target_modules=["v_proj"], target_parameters=["gate.weight", EXPERTS[0]],
      alpha_pattern={"mlp.gate.weight": 5}, use_rslora=True,
    ),
  ),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_parameters_made_by_peft_read_here_and_written_back(variant, tmp_path, name):
  kind, settings = MADE[name]
  base = variant(kind)
  expected = by_peft(base, tmp_path / "peft", batch=BATCH, **settings)
  c = hf.open_checkpoint(base)
  variables = hf.read(c, jnp.float32)
  adapter = lora.read(tmp_path / "peft", c)
  mine = ours(base, BATCH, variables | adapter)
  assert (
    difference(mine, expected, BATCH)
    < 1e-4
    < 1e-2
    < difference(ours(base, BATCH, variables), expected, BATCH)
  )
  lora.write(tmp_path / "back", adapter, c.config, c.table, base=str(base), dropout=0.1)
  assert difference(mine, theirs(in_peft(base, tmp_path / "back"), BATCH), BATCH) < 1e-4
  again = lora.read(tmp_path / "back", c)
  jax.tree.map(np.testing.assert_array_equal, again["lora"], adapter["lora"])
  merged = lora.merge(variables | adapter)
  np.testing.assert_allclose(ours(base, BATCH, merged), mine, rtol=0, atol=2e-5)


def test_what_all_linear_is_where_there_are_experts(variant):
  """As PEFT has it: gate and up are two layers in the checkpoint and so have twice the rank."""
  mine = {}
  for kind in ("mixtral", "gpt_oss"):
    c = hf.open_checkpoint(variant(kind))
    chosen = lora.choose(c.config, c.table, "all-linear")
    adapter = lora.init(jax.random.key(0), c.config, chosen, rank=3, alpha=6)["lora"]["layers"]
    mine[kind] = {n: p["a"].shape for n, p in adapter.get("experts", {}).items()}
  assert mine["mixtral"] == {"router": (3, 36, 3), "gate_up": (3, 5, 36, 6), "down": (3, 5, 20, 3)}
  assert mine["gpt_oss"] == {}
  assert list(lora.choose(c.config, c.table, "down_proj,router")) == [
    "layers/experts/down", "layers/experts/router",
  ]  # fmt: skip


def _lost(tensors, settings):
  del tensors["base_model.model.model.layers.1.mlp.experts.lora_B.weight"]


def _other(tensors, settings):
  key = "base_model.model.model.layers.2.mlp.experts.lora_A.weight"
  tensors[key] = np.zeros((4, 5), np.float32)


def _not_asked_for(tensors, settings):
  settings["target_parameters"] = None


@pytest.mark.parametrize(
  "change, message",
  [
    (_lost, "has no .*layers.1.mlp.experts.lora_B.weight, though its target_parameters ask for it"),
    (_other, "is for another base or rank: .*experts.down_proj here is 36 x 20"),
    (_not_asked_for, "tensors that fit nothing in this base: .*experts.lora_A"),
  ],
)
def test_folders_that_do_not_fit(variant, tmp_path, change, message):
  c = hf.open_checkpoint(variant("mixtral"))
  chosen = lora.choose(c.config, c.table, "layers.{l}.mlp.experts.down_proj")
  adapter = lora.init(jax.random.key(0), c.config, chosen, rank=2, alpha=2)
  lora.write(tmp_path / "a", adapter, c.config, c.table, base="b")
  tensors = safetensors.numpy.load_file(tmp_path / "a" / lora.WEIGHTS)
  settings = json.loads((tmp_path / "a" / lora.SETTINGS).read_text())
  change(tensors, settings)
  safetensors.numpy.save_file(tensors, tmp_path / "a" / lora.WEIGHTS)
  (tmp_path / "a" / lora.SETTINGS).write_text(json.dumps(settings))
  with pytest.raises(InputError, match=message):
    lora.read(tmp_path / "a", c)
