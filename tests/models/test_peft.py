"""PEFT's folders: made there and read here, written here and read there, merged; always the same
logits."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ftjax import tree
from ftjax.models import decoder, export, hf, lora, tensors
from ftjax.models.adapters import kinds
from tests.models.adapters import BATCH, by_peft, in_peft, made, save, tensors_of, with_adapter
from tests.models.reference import difference, logits, ours, quiet, theirs
from tests.tiny import torch_model

# transformers asks itself a question that it has deprecated, when peft wraps a model.
pytestmark = [
  pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
  pytest.mark.filterwarnings("ignore:Input and output embeddings are no longer tied"),
]

_Q = dict(r=2, target_modules=["q_proj"])
_EXPERTS = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj", "mlp.router.weight"]
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
  "llama, everything dora": (
    "llama",
    dict(r=3, use_dora=True, target_modules=["embed_tokens", "q_proj", "down_proj", "lm_head"]),
  ),
  "llama, one layer": ("llama", dict(r=3, target_modules=["q_proj", "up_proj"], layers_to_transform=[1])),
  "llama, a pattern and exceptions": (
    "llama",
    dict(r=3, use_dora=True, target_modules=r".*\.(q|v|up)_proj", exclude_modules=r".*\.0\.mlp.*"),
  ),
  "llama, copies": ("llama", _Q | dict(modules_to_save=["lm_head", "norm", "embed_tokens"])),
  "llama, lora bias": ("llama, biases", _Q | dict(lora_bias=True, use_rslora=True)),
  "llama, tokens": ("llama", _Q | dict(trainable_token_indices=[5, 1])),
  "llama, tokens in both": (
    "llama", _Q | dict(trainable_token_indices={"embed_tokens": [5, 1], "lm_head": [1, 7]}),
  ),
  "tied, tokens": ("llama, tied", _Q | dict(trainable_token_indices=[5, 1])),
  "tied, tokens apart": (
    "llama, tied", _Q | dict(trainable_token_indices={"embed_tokens": [5, 1], "lm_head": [1, 7]}),
  ),
  "tied, table": ("llama, tied", dict(r=3, target_modules=["embed_tokens", "q_proj"])),
  "tied, head": ("llama, tied", dict(r=3, target_modules=["lm_head"], use_dora=True)),
  "tied, together": ("llama, tied", dict(r=3, target_modules=["embed_tokens"], ensure_weight_tying=True)),
  "tied, head copied": ("llama, tied", _Q | dict(modules_to_save=["lm_head"])),
  "tied, table copied": ("llama, tied", _Q | dict(modules_to_save=["embed_tokens"])),
  "gpt2, all linear": ("gpt2", dict(r=4, target_modules="all-linear", fan_in_fan_out=True)),
  "gpt2, one c_proj": ("gpt2", dict(r=4, target_modules=["mlp.c_proj"], fan_in_fan_out=True)),
  "gpt2, dora": (
    "gpt2", dict(r=4, target_modules=["c_attn", "wpe", "c_proj"], use_dora=True, fan_in_fan_out=True),
  ),
  "gpt2, all biases": ("gpt2", dict(r=2, target_modules=["c_attn"], bias="all", fan_in_fan_out=True)),
  "gpt2, own biases": (
    "gpt2, untied, inner",
    dict(r=2, target_modules=["c_fc", "lm_head"], bias="lora_only", lora_bias=False,
         layers_to_transform=[0], layers_pattern="h") | dict(target_modules=["c_fc"]),
  ),
  "gptj, all linear": ("gptj", dict(r=3, lora_alpha=7, target_modules="all-linear")),
  "gptj, dora": ("gptj", dict(r=3, target_modules=["q_proj", "k_proj", "fc_out"], use_dora=True)),
  "gpt_oss, experts": (
    "gpt_oss",
    dict(r=3, lora_alpha=7, use_rslora=True, target_modules=["q_proj"], target_parameters=_EXPERTS),
  ),
  "gptj, head copied": ("gptj", dict(r=3, target_modules=["k_proj"], modules_to_save=["lm_head", "ln_f"])),
}  # fmt: skip
# PEFT adds what it merges into one of two tied matrices to both, so that its merged model is another
# than the one it trained; ours is untied.
OTHERWISE_MERGED = ("tied, table", "tied, head", "tied, together", "tied, tokens apart")


@pytest.mark.parametrize("name", MADE)
def test_made_by_peft_read_written_and_merged(variant, tmp_path, name):
  kind, settings = MADE[name]
  base = variant(kind)
  model = made(base, settings)
  expected = theirs(model, BATCH)
  save(model, tmp_path / "peft")
  c, variables = with_adapter(base, tmp_path / "peft")
  mine = logits_of(c, variables)
  assert difference(mine, expected, BATCH) < 1e-4
  assert difference(plain(base), expected, BATCH) > 1e-2  # The adapter does something.

  lora.write(tmp_path / "back", variables, c.config, c.table, base=str(base))
  assert difference(mine, theirs(in_peft(base, tmp_path / "back"), BATCH), BATCH) < 1e-4
  _, again = with_adapter(base, tmp_path / "back")
  close = lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6, atol=0)
  jax.tree.map(close, again, variables)

  merged = lora.merge(variables)
  assert merged.keys() == {"params"}
  if name in OTHERWISE_MERGED:
    export.write(tmp_path / "merged", merged, c.config, c.table, c.hf_config)
    with quiet():
      found = theirs(torch_model(tmp_path / "merged"), BATCH)
    assert difference(mine, found, BATCH) < 1e-4
    return
  state, named = model.merge_and_unload().state_dict(), tree.flatten(merged["params"])
  for weight in c.table:
    for name_, place in tensors.places_of(weight, c.config).items():
      x = tensors.to_theirs(np.asarray(named[weight.path][place]), weight, c.config)
      np.testing.assert_allclose(x, state[name_].numpy(), rtol=0, atol=2e-6, err_msg=name_)


@functools.cache
def plain(base):
  """The base's own logits."""
  return ours(base, BATCH)


def logits_of(c, variables):
  """float32 [B, T, V] of BATCH; adapters outside the blocks are worked in beforehand, so that many
  cases share a program."""
  return np.asarray(logits(decoder.Decoder(c.config), kinds.effective(variables), *BATCH[:3]))


def test_a_bfloat16_base_with_a_float32_adapter(variant, tmp_path):
  """Only as close as eight bits of mantissa allow; the adapter keeps its own."""
  base = variant("llama")
  by_peft(base, tmp_path / "peft", r=3, use_dora=True, target_modules=["q_proj", "embed_tokens"])
  c, exact = with_adapter(base, tmp_path / "peft")
  _, half = with_adapter(base, tmp_path / "peft", jnp.bfloat16)
  kinds = {c: {x.dtype.name for x in jax.tree.leaves(tree)} for c, tree in half.items()}
  assert kinds == {"params": {"bfloat16"}, "lora": {"float32"}, "lora_scale": {"float32"}}
  found = logits(decoder.Decoder(c.config, jnp.bfloat16), half, *BATCH[:3])
  error = np.abs(np.asarray(found) - logits_of(c, exact)).max()
  assert 0 < error < 0.05 * np.abs(logits_of(c, exact)).max()
  merged = lora.merge(half)["params"]
  assert {x.dtype.name for x in jax.tree.leaves(merged)} == {"bfloat16"}
  embed = lora.merge(exact)["params"]["embed"]["tokens"]
  np.testing.assert_allclose(merged["embed"]["tokens"].astype("f4"), embed, rtol=0.02, atol=0.02)


def test_a_table_with_more_rows_is_a_larger_vocabulary(variant, tmp_path):
  """PEFT writes whole tables where the vocabulary was resized, also beside rows or pairs on them."""
  for name, settings in {
    "whole": _Q,
    "pairs": dict(r=2, target_modules=["embed_tokens", "lm_head"]),
    "rows": _Q | dict(trainable_token_indices={"embed_tokens": [97, 98], "lm_head": [97, 98]}),
  }.items():
    for kind in ("llama", "llama, tied"):
      folder = tmp_path / name / kind
      expected = by_peft(variant(kind), folder, vocabulary=100, **settings)
      c, variables = with_adapter(variant(kind), folder)
      assert (c.config.V, c.hf_config["vocab_size"]) == (100, 100)
      assert difference(logits_of(c, variables), expected, BATCH) < 1e-4


def test_rows_that_pad_the_base_are_nothing_to_an_adapter(variant, tmp_path):
  base = variant("llama, tied")
  targets = ["embed_tokens", "lm_head"]
  expected = by_peft(base, tmp_path / "a", r=2, use_dora=True, target_modules=targets)
  c, variables = with_adapter(base, tmp_path / "a", pad_vocab_to=50)
  assert c.config.V == 100 and variables["lora"]["head"]["b"].shape == (2, 100)
  assert difference(logits_of(c, variables)[..., :97], expected, BATCH) < 1e-4
  lora.write(tmp_path / "b", variables, c.config, c.table, base="b")
  mine, theirs_ = (tensors_of(tmp_path / x) for x in "ba")
  for name, x in mine.items():
    np.testing.assert_allclose(x, theirs_[name], rtol=1e-6)
  assert len(mine) == 6


def test_a_pickled_adapter_is_read_without_running_it(variant, tmp_path):
  import torch

  base = variant("gptj")
  expected = by_peft(base, tmp_path, r=2, target_modules=["v_proj"])
  state = {k: torch.from_numpy(x) for k, x in tensors_of(tmp_path).items()}
  (tmp_path / lora.WEIGHTS).unlink()
  torch.save(state, tmp_path / "adapter_model.bin")
  c, variables = with_adapter(base, tmp_path)
  assert difference(logits_of(c, variables), expected, BATCH) < 1e-4


def test_rank_stabilised_scales_are_written_as_they_were_asked_for(variant, tmp_path):
  c = hf.open_checkpoint(variant("llama"))
  targets = lora.choose(c.config, c.table, "q_proj")
  adapter = lora.init(jax.random.key(0), c.config, targets, rank=3, alpha=7, rslora=True)
  (scale,) = jax.tree.leaves(adapter["lora_scale"])
  np.testing.assert_allclose(scale, 7 / 3**0.5, rtol=1e-6)
  lora.write(tmp_path / "a", adapter, c.config, c.table, base="b", rslora=True)
  settings = json.loads((tmp_path / "a" / lora.SETTINGS).read_text())
  assert (settings["use_rslora"], settings["lora_alpha"], settings["r"]) == (True, 7, 3)


def test_ranks_that_differ_by_layer_are_written_as_they_were(variant, tmp_path):
  kind, settings = MADE["llama, patterns"]
  by_peft(variant(kind), tmp_path / "a", **settings)
  c, variables = with_adapter(variant(kind), tmp_path / "a")
  lora.write(tmp_path / "b", variables, c.config, c.table, base="b", rslora=True)
  mine, theirs_ = (tensors_of(tmp_path / x) for x in "ba")
  assert mine.keys() == theirs_.keys()
  assert all((mine[name] == x).all() for name, x in theirs_.items())
  written = json.loads((tmp_path / "b" / lora.SETTINGS).read_text())
  assert (written["r"], written["lora_alpha"]) == (4, 5)
  assert written["rank_pattern"] == {
    "model.layers.1.self_attn.q_proj": 2, "model.layers.0.mlp.down_proj": 7
  }  # fmt: skip
  assert written["alpha_pattern"] == {
    "model.layers.0.self_attn.q_proj": 3.5, "model.layers.1.self_attn.q_proj": 10
  }  # fmt: skip


def test_what_is_not_used_is_not_written(variant, tmp_path):
  c, variables = _peft_llama(variant, tmp_path)
  lora.write(tmp_path / "a", variables, c.config, c.table, base="b")
  settings = json.loads((tmp_path / "a" / lora.SETTINGS).read_text())
  assert settings.keys() == {
    "peft_type", "task_type", "base_model_name_or_path", "inference_mode", "r", "lora_alpha",
    "lora_dropout", "fan_in_fan_out", "target_modules", "rank_pattern", "alpha_pattern", "bias",
  }  # fmt: skip
  assert sorted(tensors_of(tmp_path / "a")) == [
    f"base_model.model.model.layers.{l}.self_attn.q_proj.lora_{x}.weight"
    for l in (0, 1)
    for x in "AB"
  ]


def _peft_llama(variant, tmp_path):
  by_peft(variant("llama"), tmp_path / "peft", **_Q)
  return with_adapter(variant("llama"), tmp_path / "peft")


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
