"""Adapters that are refused, each with the reason; and which modules PEFT's patterns mean."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from ftjax.config import InputError
from ftjax.models import hf, lora
from ftjax.models.adapters import settings as rules
from tests.models.adapters import by_peft, tensors_of, with_adapter

# transformers asks itself a question that it has deprecated, when peft wraps a model.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
UP = "base_model.model.model.layers.1.mlp.up_proj."


@pytest.fixture(scope="module")
def adapter_folder(variant, tmp_path_factory):
  c = hf.open_checkpoint(variant("llama"))
  targets = lora.linear_layers(c.config, c.table)
  adapter = lora.init(jax.random.key(0), c.config, targets, rank=3, alpha=8)
  folder = tmp_path_factory.mktemp("adapter") / "a"
  lora.write(folder, adapter, c.config, c.table, base="the/base")
  return folder


SETTINGS = {
  "init_lora_weights='pissa': such an adapter belongs to weights": dict(init_lora_weights="pissa"),
  "peft_type='LOHA'; ftjax reads LORA, TRAINABLE_TOKENS, IA3, .* and": dict(peft_type="LOHA"),
  "something_new=3, which ftjax does not read": dict(something_new=3),
  r"target_parameters=\['experts'\], and 'experts' is no parameter .*, which has none": dict(
    target_parameters=["experts"]
  ),
  "layer_replication": dict(layer_replication=[[0, 1]]),
  "alora_invocation_tokens": dict(alora_invocation_tokens=[1]),
  "lora_magnitude_vector is missing": dict(use_dora=True),
  "lora_B.bias is missing": dict(lora_bias=True),
  "a rank of 3 for .*layers.0.*, and its settings say 4": dict(r=4),
  "a rank of 3 for .*layers.1.mlp.up_proj, and its settings say 5": dict(
    rank_pattern={"1.mlp.up_proj": 5}
  ),
  "which its settings leave out": dict(layers_to_transform=[0]),
  "layers.0.mlp.up_proj, which its settings leave out": dict(exclude_modules=["0.mlp.up_proj"]),
  "the settings name 1 tokens .* its tensors hold none": dict(trainable_token_indices=[4]),
}


@pytest.mark.parametrize("message", SETTINGS)
def test_settings_that_mean_more_than_is_there(variant, adapter_folder, tmp_path, message):
  folder = shutil.copytree(adapter_folder, tmp_path / "a")
  path = folder / lora.SETTINGS
  path.write_text(json.dumps(json.loads(path.read_text()) | SETTINGS[message]))
  with pytest.raises(InputError, match=message):
    with_adapter(variant("llama"), folder)


def _add(name, shape):
  return lambda tensors: tensors.update({f"base_model.model.{name}": np.zeros(shape, "f4")})


TENSORS = {
  "fit nothing in this base: .*some.module.* an adapter for 'the/base'": _add(
    "some.module.lora_A.weight", (3, 32)
  ),
  "up_proj: lora_B.weight is missing": lambda t: t.pop(UP + "lora_B.weight"),
  "holds no tensors of an adapter": lambda t: t.clear(),
  "is for another base: model.norm.weight here is": _add("model.norm.weight", (31,)),
  "is for another base: .*up_proj here is 56 x 32": lambda t: t.update(
    {UP + "lora_A.weight": np.zeros((3, 31), "f4")}
  ),
}


@pytest.mark.parametrize("message", TENSORS)
def test_tensors_that_do_not_fit(variant, adapter_folder, tmp_path, message):
  folder = shutil.copytree(adapter_folder, tmp_path / "a")
  tensors = tensors_of(folder)
  TENSORS[message](tensors)
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


def test_a_bias_that_the_base_has_not_cannot_be_merged(variant, tmp_path):
  base = variant("llama")
  by_peft(base, tmp_path, r=2, target_modules=["q_proj"], lora_bias=True)
  _, variables = with_adapter(base, tmp_path)
  with pytest.raises(InputError, match="lora_bias.* for .*query, which has none"):
    lora.merge(variables)


def test_rows_of_a_head_with_a_bias_are_two_things_to_peft(variant, tmp_path):
  base = variant("gptj")
  tokens = {"wte": [1], "lm_head": [1]}
  by_peft(base, tmp_path, r=2, target_modules=["q_proj"], trainable_token_indices=tokens)
  with pytest.raises(InputError, match="lm_head .*which has a bias: PEFT leaves it out"):
    with_adapter(base, tmp_path)


def test_an_adapter_on_a_checkpoint_that_is_not_as_it_wants_it(variant, tmp_path):
  base = variant("llama, tied")
  by_peft(base, tmp_path, r=2, target_modules=["lm_head"])
  c = hf.open_checkpoint(base)
  with pytest.raises(ValueError, match="not as the adapter wants it"):
    lora.read(tmp_path, c, hf.read(c, jnp.float32))


NAMES = [
  f"{stem}.{l}.{rest}"
  for stem, rest in [
    ("model.layers", "self_attn.q_proj"), ("model.layers", "mlp.experts.3.up_proj"),
    ("model.layers", "mlp.up_proj"), ("transformer.h", "attn.c_proj"),
    ("transformer.h", "mlp.c_proj"),
  ]
  for l in (0, 1, 3, 11)
] + ["lm_head", "model.embed_tokens", "xq_proj"]  # fmt: skip
PATTERNS = [
  dict(target_modules=["q_proj", "up_proj"]),
  dict(target_modules=["mlp.c_proj", "lm_head"]),
  dict(target_modules=r".*\.1+\..*c_proj"),
  dict(target_modules=["q_proj", "c_proj"], exclude_modules=["0.attn.c_proj"]),
  dict(target_modules=["q_proj", "c_proj"], exclude_modules=r".*\.(0|3)\..*"),
  dict(target_modules=["up_proj", "c_proj"], layers_to_transform=[1, 3]),
  dict(target_modules=["up_proj", "c_proj"], layers_to_transform=3),
  dict(target_modules=["up_proj", "c_proj"], layers_to_transform=[3], layers_pattern="experts"),
  dict(target_modules=["c_proj"], layers_to_transform=[3], layers_pattern=["layers", "h"]),
  dict(target_modules=["q_proj"], layers_to_transform=[]),
  dict(target_modules=["q_proj", "up_proj", "lm_head"], modules_to_save=["lm_head", "self_attn"]),
]  # fmt: skip


@pytest.mark.parametrize("settings", PATTERNS, ids=range(len(PATTERNS)))
def test_patterns_mean_the_modules_that_peft_takes(settings):
  import peft
  from peft.tuners.tuners_utils import check_target_module_exists

  config = peft.LoraConfig(**settings)
  expected = [bool(check_target_module_exists(config, n)) for n in NAMES]
  excluded = [
    type(check_target_module_exists(config, n)).__name__ == "_ExcludedModule" for n in NAMES
  ]
  expected = [x and not out for x, out in zip(expected, excluded, strict=True)]
  assert [rules.selects(settings, n) for n in NAMES] == expected
  assert any(expected) and not all(expected)


def test_the_first_pattern_that_matches_gives_rank_and_alpha():
  from peft.utils.other import get_pattern_key

  settings = dict(
    r=8, lora_alpha=16, rank_pattern={"q_proj": 2, r"layers\.1\..*": 3, "^model.layers.3.mlp.up_proj": 4},
    alpha_pattern={"c_proj|up_proj": 5, "lm_head": 6},
  )  # fmt: skip
  found = set()
  for name in NAMES:
    ranks, alphas = settings["rank_pattern"], settings["alpha_pattern"]
    expected = (
      ranks.get(get_pattern_key(ranks, name), 8), alphas.get(get_pattern_key(alphas, name), 16)
    )  # fmt: skip
    assert rules.rank_and_alpha(settings, name) == expected, name
    found.add(expected)
  assert len(found) > 4
