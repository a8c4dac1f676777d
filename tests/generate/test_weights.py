"""The weights of a model layer by layer and stacked: one model, in memory once."""

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ftjax
from ftjax import tree
from ftjax.defaults import get_config
from ftjax.generate.generator import Generator
from ftjax.generate.weights import Weights
from ftjax.models import hf, lora
from ftjax.models.adapters import starting
from tests.families import VARIANTS
from tests.tiny import tiny_checkpoint, write_checkpoint

PROMPTS = [[5, 9, 2], [7], [1, 2, 3, 4, 5, 6, 7, 8]]
MODELS = (
  "llama", "llama, biases", "qwen2", "gpt2", "gpt_neox", "phi3", "falcon, groups, one norm", "mixtral", "gpt_oss",
)  # fmt: skip
ADAPTERS = {
  "lora": dict(targets="all-linear"),
  "dora": dict(dora=True),
  "tables": dict(targets="embed_tokens,q_proj,lm_head"),
  "ia3": dict(kind="ia3"),
  "norms": dict(kind="norms"),
  "prefix": dict(kind="prefix", tokens=3),
  "prompt": dict(kind="prompt", tokens=3),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  return tiny_checkpoint("llama", tmp_path_factory.mktemp("llama"), noise=0.3)


def adapted(folder, settings, quantize=""):
  """(config, variables) of a model with a new adapter whose numbers are not those it begins with."""
  checkpoint = hf.open_checkpoint(folder)
  base, a = hf.read(checkpoint, jnp.float32, quantize=quantize), get_config().adapter
  a.update({"kind": "lora"} | settings)
  adapter = starting.new(jax.random.key(0), checkpoint, base, a)
  rng = np.random.default_rng(0)
  nudge = lambda x: x + (0.1 * rng.normal(size=x.shape)).astype(np.float32)
  return checkpoint.config, base | jax.tree.map(nudge, adapter)


def assert_released_and_stacked_again(config, variables, dtype=jnp.float32):
  before = jax.tree.map(np.array, variables)
  write = lambda g: [c.ids for c in g.generate(PROMPTS, max_new_tokens=6)]
  expected = write(Generator(config, variables, dtype=dtype))
  generator = Generator(config, variables, dtype=dtype, release=True)
  assert not variables and write(generator) == expected
  for release in (False, True):
    again = tree.flatten(generator.stacked(release))
    assert again.keys() == tree.flatten(before).keys()
    for name, x in tree.flatten(before).items():
      assert x.dtype == again[name].dtype and x.tobytes() == np.array(again[name]).tobytes(), name


@pytest.mark.parametrize("name", MODELS)
def test_what_was_released_is_stacked_again_to_the_bit(tmp_path, name):
  variant = VARIANTS[name]
  checkpoint = hf.open_checkpoint(write_checkpoint(variant.kind, variant.fields, tmp_path))
  assert_released_and_stacked_again(checkpoint.config, hf.read(checkpoint, jnp.float32))


@pytest.mark.parametrize("name", ADAPTERS)
def test_so_are_a_base_and_an_adapter(folder, name):
  assert_released_and_stacked_again(*adapted(folder, ADAPTERS[name]))


@pytest.mark.parametrize("quantize", ["int8", "nf4"])
def test_so_are_a_quantized_base_and_numbers_of_another_dtype(folder, quantize):
  assert_released_and_stacked_again(*adapted(folder, ADAPTERS["lora"], quantize), jnp.bfloat16)


def test_the_weights_are_in_memory_once(folder):
  checkpoint = hf.open_checkpoint(folder)
  variables = hf.read(checkpoint, jnp.float32)
  block = {n: weakref.ref(x) for n, x in tree.flatten(variables).items() if "/layers/" in n}
  weights = Weights(variables, checkpoint.config, jnp.dtype("float32"), True, release=True)
  gc.collect()
  assert len(block) > 5 and not [n for n, x in block.items() if x() is not None]

  pieces = [weakref.ref(x) for x in jax.tree.leaves(weights.prepared["params"]["layer_0"])]
  again = weights.stacked()
  gc.collect()
  assert all(x() is not None for x in pieces) and tree.flatten(again).keys() > block.keys()

  unfused = Weights(again, checkpoint.config, jnp.dtype("float32"), False, release=True)
  pieces = [weakref.ref(x) for x in jax.tree.leaves(unfused.prepared["params"]["layer_0"])]
  unfused.stacked(release=True)
  gc.collect()
  assert len(pieces) == len(block) and not [x for x in pieces if x() is not None]


def test_whoever_keeps_the_weights_keeps_them(folder):
  checkpoint = hf.open_checkpoint(folder)
  variables = hf.read(checkpoint, jnp.float32)
  generator = Generator(checkpoint.config, variables)
  assert variables.keys() == {"params"}
  with pytest.raises(ValueError, match="whoever gave them has the stacks"):
    generator.stacked()


def test_a_model_is_scored_saved_and_generated_with_in_any_order(folder, tmp_path):
  config, variables = adapted(folder, ADAPTERS["dora"])
  checkpoint = hf.open_checkpoint(folder)
  lora.write(tmp_path / "adapter", variables, config, checkpoint.table, base=str(folder))
  ids = np.array([PROMPTS[2]])
  for name in ("", "adapter"):
    adapter = tmp_path / name if name else None
    model, other = (ftjax.load(folder, adapter=adapter) for _ in range(2))
    write = lambda m: [c.ids for c in m.generator.generate(PROMPTS, max_new_tokens=6)]
    kept = model.variables
    logits, texts = np.array(model.logits(ids)), write(other)
    assert write(model) == texts and kept.keys() >= {"params"}
    for m in (model, other):
      np.testing.assert_array_equal(m.logits(ids), logits)
      assert write(m) == texts
    saved = [tmp_path / f"{name}{i}" for i in (1, 2)]
    for m, to in zip((model, other), saved, strict=True):
      m.save(to)
    for m in map(ftjax.load, saved):
      np.testing.assert_allclose(m.logits(ids), logits, rtol=0, atol=1e-4)


def test_a_generator_that_was_not_made_says_what_became_of_the_weights(folder, monkeypatch):
  model = ftjax.load(folder)
  stop = lambda *a, **k: 1 / 0
  monkeypatch.setattr("ftjax.language_model.Generator", stop)
  with pytest.raises(ZeroDivisionError):
    model.generator.generate(PROMPTS)
  with pytest.raises(RuntimeError, match="Load the model again"):
    model.logits(np.array([PROMPTS[0]]))
