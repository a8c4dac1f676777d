"""New adapters and the layers that read them: identity at the start, dropout, magnitudes, gradients,
targets."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ftjax import tree
from ftjax.config import InputError
from ftjax.models import decoder, hf, lora, vocabulary
from ftjax.models.adapters import low_rank
from ftjax.models.layers import Linear
from tests.models.adapters import BATCH, in_peft, made
from tests.models.reference import difference, logits, ours, theirs

# transformers asks itself a question that it has deprecated, when peft wraps a model.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


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
  "wte,wpe": ("gpt2", ["wpe", "wte"]),
  "q_proj,v_proj": ("gptj", ["q_proj", "v_proj"]),
  "lm_head, embed/tokens": ("llama", ["embed_tokens", "lm_head"]),
  r".*mlp\.(up|down)_proj": ("llama", ["down_proj", "up_proj"]),
}


@pytest.mark.parametrize("targets", MODULES)
def test_targets_are_written_by_the_shortest_name_that_is_theirs_alone(variant, tmp_path, targets):
  name, listed = MODULES[targets]
  c, adapter = fresh(variant(name), targets)
  lora.write(tmp_path / "a", adapter, c.config, c.table, base="b")
  settings = json.loads((tmp_path / "a" / lora.SETTINGS).read_text())
  assert settings["target_modules"] == listed
  assert settings["fan_in_fan_out"] == (name == "gpt2" and "wte" not in targets)


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


def test_a_new_adapter_with_magnitudes_on_everything_is_the_identity(variant):
  base = variant("gpt2, untied, inner")
  c = hf.open_checkpoint(base)
  params = hf.read(c, jnp.float32)
  targets = lora.choose(c.config, c.table, "c_attn,c_proj,wte,wpe,lm_head")
  adapter = lora.init(jax.random.key(0), c.config, targets, rank=2, alpha=4, dora=params)
  b = adapter["lora"]["embed"]["tokens"]["b"]
  assert (
    b.shape == (2, 32)
    and 0.5 < np.std(b) < 1.5
    and not adapter["lora"]["embed"]["tokens"]["a"].any()
  )
  assert adapter["lora"]["layers"]["attention"]["qkv"]["magnitude"].shape == (2, 12, 8)
  found = ours(base, BATCH, params | adapter)
  np.testing.assert_allclose(found, ours(base, BATCH), rtol=0, atol=1e-5)


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


@pytest.mark.parametrize("magnitude", [False, True])
def test_dropout_is_of_the_adapters_input_alone(magnitude):
  """With a = b = 1 and W = 0, y is the sum of the kept half of x, doubled, as in PEFT; a column of 64
  ones has length 8, so that a magnitude of 24 makes it three times as much."""
  layer = Linear((64,), (1,), dropout=0.5)
  ones = {"a": jnp.ones((64, 1)), "b": jnp.ones((1, 1))}
  ones |= {"magnitude": jnp.full((1,), 24.0)} if magnitude else {}
  variables = {
    "params": {"kernel": jnp.zeros((64, 1))},
    "lora": ones,
    "lora_scale": {"scale": jnp.ones(())},
  }
  run = lambda variables, x: layer.apply(variables, x, True, rngs={"dropout": jax.random.key(0)})
  kept = np.asarray(run(variables, jnp.ones((50, 64)))) / (3 if magnitude else 1)
  assert set(np.unique(kept % 2)) == {0.0} and 55 < kept.mean() < 73
  variables["params"] = {"kernel": jnp.ones((64, 1))}  # column of twos: length 16, factor 1.5
  y = run(variables, jnp.ones((50, 64)))
  np.testing.assert_allclose(y, 64 + 0.5 * kept + 1.5 * kept if magnitude else kept + 64, rtol=1e-6)


def test_gradients_of_a_magnitude_and_its_pair_are_pefts(variant, tmp_path):
  """The columns' lengths are constants to both; layers without a pair have no gradient."""
  import torch

  base = variant("llama")
  model = made(
    base, dict(r=3, use_dora=True, target_modules=["layers.1.self_attn.q_proj", "embed_tokens"])
  )
  model.save_pretrained(tmp_path, save_embedding_layers=False)
  weigh = np.random.default_rng(0).normal(0, 0.1, (1, 11, 97)).astype("f4")
  ids = BATCH.tokens[:1, :11]
  for p in model.parameters():
    p.requires_grad_(True)
  (model(torch.from_numpy(ids).long()).logits * torch.from_numpy(weigh)).sum().backward()
  expected = {n: p.grad.numpy() for n, p in model.named_parameters() if "lora_" in n}

  c = hf.open_checkpoint(base)
  params = hf.read(c, jnp.float32)
  adapter = lora.read(tmp_path, c, params)
  decode = decoder.Decoder(c.config)
  positions, segments = np.arange(11)[None], np.ones((1, 11), int)

  @jax.jit
  @jax.grad
  def grad(trained):
    variables = params | adapter | {"lora": trained}
    hidden, _ = decode.apply(variables, ids, positions, segments)
    return (decoder.logits(hidden, decoder.head(variables, c.config)) * weigh).sum()

  found = tree.flatten(grad(adapter["lora"]))
  start = "base_model.model.model."
  q, e = start + "layers.1.self_attn.q_proj.lora_{}", start + "embed_tokens.lora_{}"
  mine = {
    q.format("A.default.weight"): found["layers/attention/query/a"][1].T,
    q.format("B.default.weight"): found["layers/attention/query/b"][1].reshape(3, -1).T,
    q.format("magnitude_vector.default.weight"): found["layers/attention/query/magnitude"][
      1
    ].ravel(),
    e.format("embedding_A.default"): found["embed/tokens/a"].T,
    e.format("embedding_B.default"): found["embed/tokens/b"].T,
    e.format("magnitude_vector.default.weight"): found["embed/tokens/magnitude"],
  }
  assert mine.keys() == expected.keys()
  for name, x in expected.items():
    assert np.abs(x).max() > 1e-3
    np.testing.assert_allclose(mine[name], x, rtol=1e-3, atol=1e-4, err_msg=name)
  assert all(not x[0].any() for n, x in found.items() if n.startswith("layers/"))


def test_experts_have_no_magnitudes(variant):
  c = hf.open_checkpoint(variant("mixtral"))
  params = hf.read(c, jnp.float32)
  targets = lora.choose(c.config, c.table, "all-linear")
  assert {"layers/experts/router", "layers/experts/gate_up"} < targets.keys()
  message = "adapter.dora=True with adapters on experts .*leave experts and router out"
  with pytest.raises(InputError, match=message):
    lora.init(jax.random.key(0), c.config, targets, rank=2, alpha=4, dora=params)


def test_alphas_that_are_no_whole_multiple_survive_the_round_trip(variant, tmp_path):
  c, adapter = fresh(variant("llama"), rank=12, alpha=16)
  lora.write(tmp_path / "a", adapter, c.config, c.table, base="b", dropout=0.1)
  settings = json.loads((tmp_path / "a" / lora.SETTINGS).read_text())
  assert (settings["r"], settings["lora_alpha"], settings["lora_dropout"]) == (12, 16, 0.1)
  assert settings["alpha_pattern"] == settings["rank_pattern"] == {}


def test_bfloat16_adapters(variant, tmp_path):
  c, adapter = fresh(variant("gptj"), dtype=jnp.bfloat16)
  lora.write(tmp_path / "a", adapter, c.config, c.table, base="b")
  again = lora.read(tmp_path / "a", c, hf.read(c), jnp.bfloat16)
  jax.tree.map(np.testing.assert_array_equal, again, adapter)
  assert {x.dtype for x in jax.tree.leaves(again["lora"])} == {jnp.dtype(jnp.bfloat16)}


def test_columns_are_measured_over_all_their_inputs():
  kernel = jnp.arange(24.0).reshape(2, 3, 2, 2)  # [L, in, out, out]
  expected = np.linalg.norm(np.asarray(kernel).reshape(2, 3, 4), axis=1).reshape(2, 2, 2)
  np.testing.assert_allclose(low_rank.lengths(kernel, 1, stacked=True), expected, rtol=1e-6)
  np.testing.assert_allclose(low_rank.lengths(kernel[0], 1, stacked=False), expected[0], rtol=1e-6)


def test_a_tied_model_gets_a_head_of_its_own_from_the_table(variant):
  c = hf.open_checkpoint(variant("llama, tied"))
  own = vocabulary.untied(c)
  assert own.hf_config["tie_word_embeddings"] is False and not own.config.tied
  params = hf.read(own, jnp.float32)["params"]
  np.testing.assert_array_equal(params["head"]["kernel"], params["embed"]["tokens"].T)
  found = logits(decoder.Decoder(own.config), {"params": params}, *BATCH[:3])
  np.testing.assert_allclose(found, ours(variant("llama, tied"), BATCH), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
  "targets, settings, message",
  [
    (
      "q_prj",
      {},
      "adapter.targets: 'q_prj' matches no linear layer. Use 'all-linear' or some of: .*q_proj",
    ),
    ("q_proj,", dict(rank=0), "adapter.rank=0 must be greater than 0"),
    ("q_proj", dict(alpha=0.0), "adapter.alpha=0.0 must be greater than 0"),
    ("q_proj", dict(patterns="q_proj: alpha 0"), "adapter.patterns' alpha=0.0 must be greater than 0"),
    ("", {}, "adapter.targets is empty"),
    ("q_proj,(", {}, r"adapter.targets: '\(' is not a pattern"),
    ("k_proj", dict(rank=17), "adapter.rank=17 is above the size of .*k_proj, which is 32 x 16"),
  ],
)
def test_settings_that_are_refused(variant, targets, settings, message):
  with pytest.raises(InputError, match=message):
    fresh(variant("llama"), targets, **settings)
