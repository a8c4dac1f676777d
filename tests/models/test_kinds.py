"""Adapters of every kind against PEFT, in both directions; new ones; documents that share virtual
tokens; several adapters added."""

import json
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ftjax import tree
from ftjax.config import InputError
from ftjax.defaults import get_config
from ftjax.generate.generator import Generator
from ftjax.models import decoder, hf, lora
from ftjax.models.adapters import kinds, pairs, starting
from ftjax.pretrained import read_weights
from tests.models import adapters
from tests.models.adapters import BATCH, in_peft, tensors_of, with_adapter
from tests.models.reference import difference, ours, quiet, theirs
from tests.tiny import torch_model

# transformers asks itself a question that it has deprecated, when peft wraps a model.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
VIRTUAL = dict(num_virtual_tokens=5)


def made(base, kind: str, **settings):
  """A PEFT model of this kind of config, with random trained parameters."""
  import peft
  import torch

  torch.manual_seed(0)
  with quiet(), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    config = getattr(peft, kind)(task_type="CAUSAL_LM", **settings)
    model = peft.get_peft_model(torch_model(base), config).eval()
  with torch.no_grad():
    for parameter in model.parameters():
      if parameter.requires_grad:
        parameter.add_(0.2 * torch.randn_like(parameter))
  return model


def alone(model, batch):
  """The logits of each document, without those of virtual tokens."""
  found = theirs(model, batch)
  return [x[-(b - a) :] for x, (_, a, b) in zip(found, batch.documents, strict=True)]


CASES = {
  "llama, ia3": ("llama", "IA3Config", {}),
  "gpt2, ia3": ("gpt2", "IA3Config", {}),
  "gpt2, ia3, a pattern": (
    "gpt2", "IA3Config", dict(target_modules=r".*0\.attn\.c_attn", feedforward_modules=[]),
  ),
  "llama, biases, ia3": (
    "llama, biases", "IA3Config",
    dict(target_modules=["q_proj", "o_proj", "lm_head"], feedforward_modules=["o_proj"]),
  ),
  "llama, prompt": ("llama", "PromptTuningConfig", VIRTUAL),
  "gpt2, prompt": ("gpt2", "PromptTuningConfig", VIRTUAL),
  "gemma, prompt": ("gemma", "PromptTuningConfig", VIRTUAL),
  "llama, prefix": ("llama", "PrefixTuningConfig", VIRTUAL),
  "llama, wide heads, prefix": ("llama, wide heads", "PrefixTuningConfig", VIRTUAL),
  "gpt2, prefix": ("gpt2", "PrefixTuningConfig", VIRTUAL),
  "mistral, prefix": ("mistral", "PrefixTuningConfig", VIRTUAL),
  "llama, norms": ("llama", "LNTuningConfig", {}),
  "gpt2, norms": ("gpt2", "LNTuningConfig", dict(target_modules=["ln_1", "ln_f"])),
}  # fmt: skip


SLOW = ("gpt2, ia3", "llama, wide heads, prefix", "gpt2, prefix", "mistral, prefix", "gpt2, prompt",
        "llama, norms")  # fmt: skip


@pytest.mark.parametrize(
  "case", [pytest.param(c, marks=[pytest.mark.slow] if c in SLOW else []) for c in CASES]
)
def test_peft_folders_of_every_kind_both_ways(variant, tmp_path, case):
  """Rows are packed here and documents run one by one there: they share nothing but the adapter."""
  name, kind, settings = CASES[case]
  base = variant(name)
  model = made(base, kind, **settings)
  expected = alone(model, BATCH)
  adapters.save(model, tmp_path / "theirs")
  c, variables = with_adapter(base, tmp_path / "theirs")
  assert difference(ours(base, BATCH, variables), expected, BATCH) < 1e-4
  lora.write(tmp_path / "ours", variables, c.config, c.table, base=str(base))
  before, after = tensors_of(tmp_path / "theirs"), tensors_of(tmp_path / "ours")
  # PEFT adds the base's own head where it is a target.
  before = {k: x for k, x in before.items() if not k.endswith("base_layer.weight")}
  assert before.keys() == after.keys()
  assert all(np.array_equal(before[k], after[k]) for k in before)
  again = alone(in_peft(base, tmp_path / "ours"), BATCH)
  assert all(np.array_equal(x, y) for x, y in zip(again, expected, strict=True))


@pytest.mark.parametrize("case", ["gpt2, ia3, a pattern", "llama, biases, ia3", "gpt2, norms"])
def test_merged_is_the_adapter(variant, tmp_path, case):
  name, kind, settings = CASES[case]
  base = variant(name)
  adapters.save(made(base, kind, **settings), tmp_path / "a")
  c, variables = with_adapter(base, tmp_path / "a")
  merged = lora.merge(variables)
  close = dict(rtol=0, atol=2e-5)
  np.testing.assert_allclose(ours(base, BATCH, merged), ours(base, BATCH, variables), **close)
  lazily = lora.lazily_merged(c, {k: x for k, x in variables.items() if k != "params"}, np.float32)
  for n, x in tree.flatten(lazily).items():
    whole = np.asarray(tree.flatten(merged)[n])
    for index in [(0,), (1,)] if n.startswith("params/layers/") else [()]:
      np.testing.assert_allclose(np.asarray(x.get(index)), whole[index], rtol=1e-6, err_msg=n)


def run(kind: str, **adapter):
  """The config of a run's adapter."""
  a = get_config().adapter
  a.update(dict(kind=kind, rank=3, tokens=4) | adapter)
  starting.check(a)
  return a


def fresh(base, kind: str, targets: str = "all-linear", **adapter):
  """(checkpoint, variables with a new adapter)."""
  c = hf.open_checkpoint(base)
  params = read_weights(c, jnp.float32)
  new = starting.new(jax.random.key(0), c, params, run(kind, targets=targets, **adapter))
  return c, params | new


@pytest.mark.parametrize(
  ("name", "kind"),
  [
    ("llama", "prompt"),
    pytest.param("llama", "prefix", marks=pytest.mark.slow),
    pytest.param("gpt2", "prompt", marks=pytest.mark.slow),
    ("gpt2", "prefix"),
  ],
)
def test_generation_with_a_cache_goes_on_from_virtual_tokens(variant, kind, name):
  base = variant(name)
  c, variables = fresh(base, kind)
  prompts = [[5, 9, 3], [7, 2, 4, 1, 8]]
  made = Generator(c.config, variables).generate(prompts, max_new_tokens=6)
  plain = Generator(c.config, {"params": variables["params"]}).generate(prompts, max_new_tokens=6)
  assert [x.ids for x in made] != [x.ids for x in plain]
  for prompt, found in zip(prompts, made, strict=True):
    ids = np.array([prompt + list(found.ids)], np.int32)
    at = np.arange(ids.shape[1])[None]
    model = decoder.Decoder(c.config)
    hidden, _ = model.apply(variables, ids, at, np.ones_like(ids))
    best = decoder.logits(hidden, decoder.head(variables, c.config)).argmax(-1)[0]
    assert list(found.ids) == best[len(prompt) - 1 : -1].tolist()
  room = c.config.max_length - 4
  with pytest.raises(InputError, match=f"context of {room}"):
    Generator(c.config, variables).generate([[1] * room], max_new_tokens=1)


def test_a_packed_document_moves_no_bit_of_another_beside_virtual_tokens(variant):
  base = variant("llama")
  c, variables = fresh(base, "prefix")
  changed = BATCH._replace(tokens=BATCH.tokens.copy())
  changed.tokens[2, :19] = 3  # the third row's first document
  before, after = ours(base, BATCH, variables), ours(base, changed, variables)
  assert np.array_equal(before[2, 19:], after[2, 19:])
  assert not np.array_equal(before[2, :19], after[2, :19])


@pytest.mark.parametrize(
  "adapter",
  [dict(init="pissa"), dict(init="olora"), dict(init="gaussian", patterns="layers.1: rank 5")],
)
def test_a_new_pair_is_the_identity_however_it_begins(variant, tmp_path, adapter):
  base = variant("llama")
  c, variables = fresh(base, "lora", **adapter)
  np.testing.assert_allclose(ours(base, BATCH, variables), ours(base, BATCH), rtol=0, atol=1e-4)
  variables["lora"] = jax.tree.map(lambda x: x + 0.05 * (x != 0), variables["lora"])
  lora.write(tmp_path / "a", variables, c.config, c.table, base=str(base))
  model = in_peft(base, tmp_path / "a")  # on the base as it is
  expected = ours(base, BATCH, variables)
  assert difference(expected, theirs(model, BATCH), BATCH) < 2e-4
  np.testing.assert_allclose(ours(base, BATCH, lora.merge(variables)), expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("init", ["pissa", "olora"])
def test_beginnings_from_the_weights_are_pefts(variant, init):
  """The products a b; vectors may differ by their sign."""
  import peft

  base = variant("llama")
  with quiet(), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    settings = dict(r=3, lora_alpha=32, target_modules="all-linear", init_lora_weights=init)
    model = peft.get_peft_model(torch_model(base), peft.LoraConfig(**settings))
  _, variables = fresh(base, "lora", init=init)
  modules = dict(model.named_modules())
  own = {"query": "self_attn.q_proj", "out": "self_attn.o_proj"}
  for ours_name, name in own.items():
    leaves = variables["lora"]["layers"]["attention"][ours_name]
    a, b = (np.asarray(leaves[x][1]) for x in "ab")
    layer = modules[f"base_model.model.model.layers.1.{name}"]
    weights = [getattr(layer, f"lora_{x}")["default"].weight.detach().numpy() for x in "AB"]
    wanted = (weights[1] @ weights[0]).T
    found = a.reshape(-1, 3) @ b.reshape(3, -1)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)


def test_ranks_by_pattern_are_trained_and_written_as_they_are(variant, tmp_path):
  base = variant("llama")
  c, variables = fresh(base, "lora", patterns="q_proj: rank 2 alpha 8, layers.1.mlp: rank 5")
  trained, frozen = lora.split({k: x for k, x in variables.items() if k != "params"})

  def loss(trained):
    everything = tree.merge({"params": variables["params"]}, frozen, trained)
    return decoder.Decoder(c.config).apply(everything, *BATCH[:3])[0].sum()

  # Two steps: after the first, b is no longer zero, and the gradient of a neither.
  for _ in range(2):
    grads = jax.jit(jax.grad(loss))(trained)
    trained = jax.tree.map(lambda x, g: x - 0.01 * jnp.sign(g), trained, grads)
  up = trained["lora"]["layers"]["mlp"]["up"]
  assert up["a"].shape == (2, 32, 5)
  assert not up["a"][0, :, 3:].any() and not up["b"][0, 3:].any() and up["b"][1, 4].any()
  lora.write(tmp_path / "a", frozen | trained, c.config, c.table, base=str(base))
  settings = json.loads((tmp_path / "a" / lora.SETTINGS).read_text())
  ranks, alphas = settings["rank_pattern"], settings["alpha_pattern"]
  assert settings["r"] == 3 and settings["lora_alpha"] == 32
  query = "model.layers.0.self_attn.q_proj"
  assert (ranks[query], alphas[query], ranks["model.layers.1.mlp.up_proj"]) == (2, 8, 5)
  _, again = with_adapter(base, tmp_path / "a")
  before, after = (tree.flatten(x) for x in (frozen | trained, again))
  assert all(np.array_equal(x, after[n]) for n, x in before.items())


def test_adapters_are_added_with_weights_as_peft_adds_them(variant, tmp_path):
  import peft

  base = variant("llama")
  shared = dict(lora_alpha=8, target_modules=["q_proj", "down_proj"])
  adapters.by_peft(base, tmp_path / "a", seed=1, r=3, **shared)
  adapters.by_peft(base, tmp_path / "b", seed=2, r=2, **(shared | dict(target_modules=["q_proj"])))
  text = f"{tmp_path / 'a'}@0.7, {tmp_path / 'b'}@-0.3"
  _, variables = with_adapter(base, text)
  params = hf.read(hf.open_checkpoint(base), jnp.float32)
  merged = tree.flatten(lora.merge(variables))
  one = [tree.flatten(lora.merge(with_adapter(base, tmp_path / x)[1])) for x in "ab"]
  for name, start in tree.flatten(params).items():
    wanted = start + 0.7 * (one[0][name] - start) - 0.3 * (one[1][name] - start)
    np.testing.assert_allclose(merged[name], wanted, rtol=0, atol=1e-6, err_msg=name)
  with quiet(), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    model = peft.PeftModel.from_pretrained(torch_model(base), tmp_path / "a", adapter_name="a")
    model.load_adapter(tmp_path / "b", adapter_name="b")
    model.add_weighted_adapter(["a", "b"], [0.7, 0.3], "both", combination_type="cat")
    model.set_adapter("both")
  _, positive = with_adapter(base, f"{tmp_path / 'a'}@0.7,{tmp_path / 'b'}@0.3")
  assert difference(ours(base, BATCH, positive), theirs(model.eval(), BATCH), BATCH) < 1e-4


def test_a_kind_has_all_that_kinds_need():
  names = ("merge part check_merge read_by_layers inputs linear outputs keys virtual embedded read "
           "write TRAINED FROZEN").split()  # fmt: skip
  for kind in kinds.KINDS:
    assert not [n for n in names if not hasattr(kind, n)], kind.__name__


def test_patterns_are_read():
  found = pairs.parse("q_proj: rank 4 alpha 8, layers.3: rank 16, up_proj: alpha 2.5")
  assert found == [("q_proj", 4, 8.0), ("layers.3", 16, None), ("up_proj", None, 2.5)]
