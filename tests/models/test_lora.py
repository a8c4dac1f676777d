"""Adapters: made by PEFT and read here, made here and read by PEFT, merged; always the same
logits."""

import functools
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from ftjax.config import InputError
from ftjax.models import decoder, export, hf, lora
from ftjax.models.layers import Linear
from tests.models.reference import by_peft, difference, in_peft, logits, ours, quiet, rows, theirs
from tests.tiny import torch_model

# transformers asks itself a question that it has deprecated, when peft wraps a model.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

BATCH = rows()


def with_adapter(base, folder):
  """(checkpoint, variables) of a base and a PEFT folder."""
  c = hf.open_checkpoint(base)
  return c, hf.read(c, jnp.float32) | lora.read(folder, c.config, c.table)


MADE = {
  "llama, all linear": ("llama", dict(r=4, lora_alpha=10, target_modules="all-linear")),
  "llama, patterns": (
    "llama, biases",
    dict(
      r=4, lora_alpha=10, use_rslora=True, target_modules=["q_proj", "down_proj"],
      rank_pattern={"layers.1.self_attn.q_proj": 2, "^model.layers.0.mlp.down_proj": 7},
      alpha_pattern={"down_proj": 5, "layers.0.self_attn.q_proj": 3.5},
    ),
  ),
  "gpt2, all linear": ("gpt2", dict(r=4, target_modules="all-linear", fan_in_fan_out=True)),
  "gpt2, one c_proj": ("gpt2", dict(r=4, target_modules=["mlp.c_proj"], fan_in_fan_out=True)),
  "gptj, all linear": ("gptj", dict(r=3, lora_alpha=7, target_modules="all-linear")),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_made_by_peft_read_here_and_written_back(variant, tmp_path, name):
  kind, settings = MADE[name]
  base = variant(kind)
  expected = by_peft(base, tmp_path / "peft", BATCH, **settings)
  c, variables = with_adapter(base, tmp_path / "peft")
  mine = ours(base, BATCH, variables)
  assert difference(mine, expected, BATCH) < 1e-4
  assert difference(ours(base, BATCH), expected, BATCH) > 1e-2  # The adapter does something.

  lora.write(tmp_path / "back", variables, c.config, c.table, base=str(base))
  assert difference(mine, theirs(in_peft(base, tmp_path / "back"), BATCH), BATCH) < 1e-4
  again = lora.read(tmp_path / "back", c.config, c.table)
  jax.tree.map(np.testing.assert_array_equal, again["lora"], variables["lora"])
  jax.tree.map(np.testing.assert_allclose, again["lora_scale"], variables["lora_scale"])

  merged = lora.merge(variables)
  np.testing.assert_allclose(ours(base, BATCH, merged), mine, rtol=0, atol=2e-5)
  export.write(tmp_path / "merged", merged, c.config, c.table, c.hf_config)
  with quiet():
    assert difference(mine, theirs(torch_model(tmp_path / "merged"), BATCH), BATCH) < 1e-4


def fresh(base, targets="all-linear", **settings):
  """(checkpoint, {"lora", "lora_scale"}) of a new adapter."""
  c = hf.open_checkpoint(base)
  chosen = lora.choose(c.config, c.table, targets)
  return c, lora.init(jax.random.key(0), c.config, chosen, **(dict(rank=3, alpha=8) | settings))


MODULES = {
  "attn.c_proj": ("gpt2", ["attn.c_proj"]),
  "mlp/down": ("gpt2", ["mlp.c_proj"]),
  "c_proj, c_attn": ("gpt2", ["c_attn", "c_proj"]),
  "all-linear": ("gpt2", ["c_attn", "c_fc", "c_proj"]),
  "q_proj,v_proj": ("gptj", ["q_proj", "v_proj"]),
  r".*mlp\.(up|down)_proj": ("llama", ["down_proj", "up_proj"]),
}


@pytest.mark.parametrize("targets", MODULES)
def test_targets_are_written_by_the_shortest_name_that_is_theirs_alone(variant, tmp_path, targets):
  name, listed = MODULES[targets]
  c, adapter = fresh(variant(name), targets)
  lora.write(tmp_path / "a", adapter, c.config, c.table, base="b")
  settings = json.loads((tmp_path / "a" / lora.SETTINGS).read_text())
  assert settings["target_modules"] == listed
  assert settings["fan_in_fan_out"] == (name == "gpt2")


def test_peft_adapts_the_module_meant_and_not_its_namesake(variant, tmp_path):
  base = variant("gpt2")
  c, adapter = fresh(base, "attn.c_proj")
  adapter["lora"] = jax.tree.map(lambda x: x + 0.1, adapter["lora"])
  lora.write(tmp_path / "a", adapter, c.config, c.table, base=str(base))
  model = in_peft(base, tmp_path / "a")
  adapted = [n for n, _ in model.named_modules() if n.endswith(".lora_A.default")]
  assert len(adapted) == 2 and all(".attn.c_proj." in n for n in adapted)
  variables = hf.read(c, jnp.float32) | adapter
  assert difference(ours(base, BATCH, variables), theirs(model, BATCH), BATCH) < 1e-4


def test_a_new_adapter_is_the_identity_and_scaled_by_alpha_over_rank(variant):
  base = variant("llama")
  c, adapter = fresh(base, rank=4, alpha=10)
  variables = hf.read(c, jnp.float32) | adapter
  assert np.array_equal(ours(base, BATCH, variables), ours(base, BATCH))
  scales = jax.tree.leaves(adapter["lora_scale"])
  assert len(scales) == 7 and all((np.asarray(x) == 2.5).all() for x in scales)
  a = np.asarray(adapter["lora"]["layers"]["attention"]["query"]["a"])
  assert a.shape == (2, 32, 4) and 0.9 < np.abs(a).max() * 32**0.5 <= 1
  assert not np.array_equal(a[0], a[1])


def test_dropout_acts_while_training_and_not_otherwise(variant):
  base = variant("llama")
  c, adapter = fresh(base, "q_proj")
  adapter["lora"] = jax.tree.map(lambda x: x + 0.3, adapter["lora"])
  variables = hf.read(c, jnp.float32) | adapter
  model = decoder.Decoder(c.config, dropout=0.5)

  @functools.partial(jax.jit, static_argnames="train")
  def hidden(seed, train):
    keys = {"dropout": jax.random.key(seed)}
    return model.apply(variables, *BATCH[:3], train=train, rngs=keys)[0]

  still, first, second = hidden(0, False), hidden(0, True), hidden(1, True)
  assert np.array_equal(still, hidden(1, False)) and np.array_equal(first, hidden(0, True))
  assert not np.allclose(still, first, atol=1e-3) and not np.allclose(first, second, atol=1e-3)


def test_dropout_is_of_the_adapters_input_alone():
  """With a = b = 1 and W = 0, y is the sum of the kept half of x, doubled, as in PEFT."""
  layer = Linear((64,), (1,), dropout=0.5)
  ones = {"a": jnp.ones((64, 1)), "b": jnp.ones((1, 1))}
  variables = {
    "params": {"kernel": jnp.zeros((64, 1))},
    "lora": ones,
    "lora_scale": {"scale": jnp.ones(())},
  }
  run = lambda variables, x: layer.apply(variables, x, True, rngs={"dropout": jax.random.key(0)})
  kept = np.asarray(run(variables, jnp.ones((50, 64))))
  assert set(np.unique(kept % 2)) == {0.0} and 55 < kept.mean() < 73
  variables["params"] = {"kernel": jnp.ones((64, 1))}
  np.testing.assert_array_equal(run(variables, jnp.ones((50, 64))), kept + 64)


def test_alphas_that_are_no_whole_multiple_survive_the_round_trip(variant, tmp_path):
  c, adapter = fresh(variant("llama"), rank=12, alpha=16)
  lora.write(tmp_path / "a", adapter, c.config, c.table, base="b", dropout=0.1)
  settings = json.loads((tmp_path / "a" / lora.SETTINGS).read_text())
  assert (settings["r"], settings["lora_alpha"], settings["lora_dropout"]) == (12, 16, 0.1)
  assert settings["alpha_pattern"] == settings["rank_pattern"] == {}


def test_bfloat16_adapters(variant, tmp_path):
  c, adapter = fresh(variant("gptj"), dtype=jnp.bfloat16)
  lora.write(tmp_path / "a", adapter, c.config, c.table, base="b")
  again = lora.read(tmp_path / "a", c.config, c.table, jnp.bfloat16)
  jax.tree.map(np.testing.assert_array_equal, again, adapter)
  assert {x.dtype for x in jax.tree.leaves(again["lora"])} == {jnp.dtype(jnp.bfloat16)}


@pytest.mark.parametrize(
  "targets, settings, message",
  [
    (
      "q_prj",
      {},
      "adapter.targets: 'q_prj' matches no linear layer. Use 'all-linear' or some of: .*q_proj",
    ),
    ("q_proj,", dict(rank=0), "adapter.rank=0 must be greater than 0"),
    ("", {}, "adapter.targets is empty"),
    ("q_proj,(", {}, r"adapter.targets: '\(' is not a pattern"),
    ("k_proj", dict(rank=17), "adapter.rank=17 is above the size of .*k_proj, which is 32 x 16"),
  ],
)
def test_settings_that_are_refused(variant, targets, settings, message):
  with pytest.raises(InputError, match=message):
    fresh(variant("llama"), targets, **settings)


@pytest.fixture(scope="module")
def adapter_folder(variant, tmp_path_factory):
  base = variant("llama")
  c, adapter = fresh(base)
  folder = tmp_path_factory.mktemp("adapter") / "a"
  lora.write(folder, adapter, c.config, c.table, base="the/base")
  return folder


SETTINGS = {
  "use_dora=True; ftjax reads use_dora=None only": dict(use_dora=True),
  "bias='all'": dict(bias="all"),
  r"modules_to_save=\['lm_head'\]": dict(modules_to_save=["lm_head"]),
  "init_lora_weights='pissa'": dict(init_lora_weights="pissa"),
  "peft_type='IA3'": dict(peft_type="IA3"),
  "something_new=3": dict(something_new=3),
}


@pytest.mark.parametrize("message", SETTINGS)
def test_adapters_that_are_more_than_lora(variant, adapter_folder, tmp_path, message):
  folder = shutil.copytree(adapter_folder, tmp_path / "a")
  path = folder / lora.SETTINGS
  path.write_text(json.dumps(json.loads(path.read_text()) | SETTINGS[message]))
  with pytest.raises(InputError, match=message):
    with_adapter(variant("llama"), folder)


def _rename(tensors):
  tensors["base_model.model.lm_head.lora_A.weight"] = np.zeros((3, 32), "f4")


def _lose(tensors):
  tensors.pop("base_model.model.model.layers.1.mlp.up_proj.lora_B.weight")


@pytest.mark.parametrize(
  "change, message",
  [
    (_rename, "tensors that fit nothing in this base: .*lm_head.* an adapter for 'the/base'"),
    (_lose, "up_proj in some layers only"),
    (lambda t: t.clear(), "holds no LoRA tensors"),
  ],
)
def test_adapters_whose_tensors_do_not_fit(variant, adapter_folder, tmp_path, change, message):
  folder = shutil.copytree(adapter_folder, tmp_path / "a")
  tensors = safetensors.numpy.load_file(folder / lora.WEIGHTS)
  change(tensors)
  safetensors.numpy.save_file(tensors, folder / lora.WEIGHTS)
  with pytest.raises(InputError, match=message):
    with_adapter(variant("llama"), folder)


def test_another_base_and_broken_folders(variant, adapter_folder, tmp_path):
  with pytest.raises(InputError, match="is for another base: .*q_proj here is 56 x 32"):
    with_adapter(variant("llama, wide heads"), adapter_folder)
  with pytest.raises(InputError, match="tensors that fit nothing in this base"):
    with_adapter(variant("gpt2"), adapter_folder)
  with pytest.raises(InputError, match="is not a PEFT adapter: it needs adapter_config.json"):
    with_adapter(variant("llama"), tmp_path)
  folder = shutil.copytree(adapter_folder, tmp_path / "a")
  path = folder / lora.WEIGHTS
  path.write_bytes(path.read_bytes()[:-50])
  with pytest.raises(InputError, match="is not a whole safetensors file"):
    with_adapter(variant("llama"), folder)
  (folder / lora.SETTINGS).write_text("{")
  with pytest.raises(InputError, match="adapter_config.json is not valid JSON"):
    with_adapter(variant("llama"), folder)


@pytest.mark.parametrize(
  "name, key", [("adapter_initial", "logits_initial"), ("adapter_final", "logits")]
)
def test_the_reference_adapter_on_real_weights(shared, name, key):
  """PEFT's adapter and TRL's logits on stories260K (shared/parity)."""
  case = shared / "parity" / "lora"
  c, variables = with_adapter(shared / "models" / "stories260K", case / name)
  data = np.load(case / "final_logits.npz")
  seen = data["attention_mask"]
  positions = np.maximum(np.cumsum(seen, 1, dtype=np.int32) - 1, 0)
  found = logits(decoder.Decoder(c.config), variables, data["input_ids"], positions, seen)
  assert np.abs(np.asarray(found) - data[key])[seen > 0].max() < 1e-4
