"""Tokens added and rows that pad: what the new rows are, what they change and what they must not."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ftjax import tree
from ftjax.config import InputError
from ftjax.generate import sampling
from ftjax.generate.generator import Generator
from ftjax.models import decoder, export, hf, lora, vocabulary
from ftjax.models.adapters import kinds
from ftjax.pretrained import read_weights
from ftjax.train.loss import next_token_loss
from tests.models.adapters import in_peft
from tests.models.reference import difference, logits, quiet, rows, theirs
from tests.tiny import torch_model

# transformers asks itself a question that it has deprecated, when peft wraps a model.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
BATCH = rows(((23,), (11, 7)), 23)
WITH_NEW = BATCH._replace(tokens=np.where(BATCH.tokens == BATCH.tokens[0, 4], 98, BATCH.tokens))
BEGINS = {97: (3, 5), 98: (), 96: (7,)}  # 96 is a row that the checkpoint has spare
KINDS = ["llama", "llama, tied", "gpt2", "gptj"]


def grown(base, multiple: int = 1):
  """(checkpoint, params) with three new tokens of which one has a row already."""
  c = vocabulary.grown(hf.open_checkpoint(base), 99, BEGINS, known=96)
  c = vocabulary.padded(c, multiple)
  return c, read_weights(c, jnp.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_new_rows_are_means_and_old_ones_are_as_they_were(variant, kind):
  old = hf.read(hf.open_checkpoint(variant(kind)), jnp.float32)
  c, new = grown(variant(kind), 16)
  assert (c.config.V, c.config.vocabulary, c.hf_config["vocab_size"]) == (112, 99, 99)
  axes = {"params/embed/tokens": 0, "params/head/kernel": 1, "params/head/bias": 0}
  for name, x in tree.flatten(new).items():
    before = np.asarray(tree.flatten(old)[name])
    if name not in axes:
      np.testing.assert_array_equal(x, before)
      continue
    x, before = np.moveaxis(x, axes[name], 0), np.moveaxis(before, axes[name], 0)
    np.testing.assert_array_equal(x[:96], before[:96])
    np.testing.assert_allclose(x[97], before[[3, 5]].mean(0), rtol=1e-6)
    np.testing.assert_allclose(x[98], before[:96].mean(0), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(x[96], before[7])
    assert len(x) == 112 and not x[99:].any()


@pytest.mark.parametrize("kind", KINDS)
def test_transformers_loads_what_is_written_and_gives_our_logits(variant, tmp_path, kind):
  c, params = grown(variant(kind), 16)
  config, real = vocabulary.trimmed(c.config, params)
  export.write(tmp_path / "out", real, config, c.table, c.hf_config)
  with quiet():
    model = torch_model(tmp_path / "out")
  assert model.config.vocab_size == 99
  mine = np.asarray(logits(decoder.Decoder(c.config), params, *WITH_NEW[:3]))
  assert np.isneginf(mine[..., 99:]).all()
  assert difference(mine[..., :99], theirs(model, WITH_NEW), WITH_NEW) < 1e-4


@pytest.mark.parametrize("kind", ["llama, tied", "gptj", "gemma2"])
def test_padding_changes_neither_loss_nor_gradients(variant, kind):
  """The softmax over padded rows is the one without them, and no gradient reaches them: with a bias,
  and where logits are capped as well."""
  found = {}
  width = hf.open_checkpoint(variant(kind)).config.D
  hidden = jax.random.normal(jax.random.key(0), (*BATCH.tokens.shape, width))
  targets, weights = np.roll(BATCH.tokens, -1, 1), (BATCH.segments > 0).astype(np.float32)
  for multiple in (1, 64):
    c, params = grown(variant(kind), multiple)
    tied = c.config.tied

    @jax.jit
    @functools.partial(jax.value_and_grad, argnums=(0, 1))
    def loss(hidden, variables, config=c.config):
      head = decoder.head(variables, config)
      return next_token_loss(hidden, head, targets, weights, chunk=16)[0]

    value, (d_hidden, grads) = loss(hidden, params)
    flat = tree.flatten(grads)
    padding = [
      flat["params/embed/tokens"][99:] if tied else flat["params/head/kernel"][:, 99:],
      flat.get("params/head/bias", np.zeros(99))[99:],
    ]
    assert not any(np.asarray(x).any() for x in padding)
    found[multiple] = value, d_hidden, vocabulary.trimmed(c.config, grads)[1]
  assert c.config.V == 128
  np.testing.assert_allclose(found[1][0], found[64][0], rtol=1e-6)
  close = lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6)
  jax.tree.map(close, found[1], found[64])


def test_padding_is_never_sampled_and_new_tokens_can_be(variant):
  """However hot, whatever the settings; a new token whose row is the largest is what greedy writes."""
  c, params = grown(variant("gptj"), 64)
  named = tree.flatten(params)
  named["params/head/bias"] = named["params/head/bias"].at[98].set(50.0)
  certain = Generator(c.config, tree.unflatten(named))
  assert certain.generate([[1, 2]], max_new_tokens=4)[0].ids == (98,) * 4
  named["params/head/bias"] = named["params/head/bias"].at[:99].set(-60.0)  # padding would be 0
  for settings in (
    dict(temperature=100.0), dict(temperature=9.0, top_k=110), dict(temperature=9.0, top_p=0.999),
    dict(repetition_penalty=3.0),
  ):  # fmt: skip
    hot = Generator(c.config, tree.unflatten(named))
    out = hot.generate([[1, 2], [3]], max_new_tokens=20, sampling=sampling.Sampling(**settings))
    assert max(i for completion in out for i in completion.ids) < 99, settings
  with pytest.raises(InputError, match="has the id 99, and the model knows ids from 0 to 98"):
    certain.generate([[99]])


@pytest.mark.parametrize(
  "kind, pairs",
  [("llama", False), ("llama, tied", False), ("llama, tied", True), ("gptj", True)],
)
def test_rows_alone_or_with_pairs_are_read_by_peft_on_a_resized_base(
  variant, tmp_path, kind, pairs
):
  base = variant(kind)
  c, params = grown(base, 16)
  variables = params | _rows(c, params, pairs)
  lora.write(tmp_path / "a", variables, c.config, c.table, base=str(base))
  mine = np.asarray(logits(decoder.Decoder(c.config), kinds.effective(variables), *WITH_NEW[:3]))
  model = in_peft(base, tmp_path / "a", 99)
  assert difference(mine[..., :99], theirs(model, WITH_NEW), WITH_NEW) < 1e-4

  found = lora.open_folder(tmp_path / "a")
  again = lora.base_for(found, hf.open_checkpoint(base))
  assert again.config.V == 99
  back = read_weights(again, jnp.float32)
  back = kinds.effective(back | lora.read(found, again, back))
  named = tree.flatten(vocabulary.trimmed(c.config, kinds.effective(variables))[1])
  for name, x in tree.flatten(back).items():
    np.testing.assert_allclose(x, named[name], rtol=1e-6)


def _rows(c, params, pairs: bool):
  adapter = lora.init_rows(sorted(BEGINS), params)
  if pairs:
    targets = lora.choose(c.config, c.table, "q_proj")
    adapter |= lora.init(jax.random.key(0), c.config, targets, rank=2, alpha=4)
  nudge = lambda x: x + 0.1 * jax.random.normal(jax.random.key(x.size), x.shape)
  return adapter | {k: jax.tree.map(nudge, adapter[k]) for k in ("rows", "lora") if k in adapter}


def test_rows_alone_of_a_head_with_a_bias_have_no_form(variant, tmp_path):
  c, params = grown(variant("gptj"))
  with pytest.raises(InputError, match="no form for rows of lm_head alone"):
    lora.write(tmp_path / "a", params | _rows(c, params, False), c.config, c.table, base="b")


def test_only_the_rows_have_gradients(variant):
  """And each row has that of its token: where it is read, and where it is written."""
  c, params = grown(variant("llama, tied"))
  adapter = lora.init_rows([98, 97], params)
  weigh = np.random.default_rng(0).normal(size=(2, 23, 99)).astype("f4") * 0.1
  model = decoder.Decoder(c.config, attention="xla")

  @jax.jit
  @jax.grad
  def grad(trained, frozen):
    variables = tree.merge(frozen, trained)
    hidden, _ = model.apply(variables, *WITH_NEW[:3])
    return (decoder.logits(hidden, decoder.head(variables, c.config)) * weigh).sum()

  mine = grad({"rows": adapter["rows"]}, params | {"row_ids": adapter["row_ids"]})
  whole = grad(params, {})["params"]["embed"]["tokens"]
  assert jax.tree.structure(mine) == jax.tree.structure({"rows": adapter["rows"]})
  found = mine["rows"]["embed"]["tokens"]["rows"]
  np.testing.assert_allclose(found, whole[jnp.array([98, 97])], rtol=1e-4, atol=1e-4)
  assert np.abs(found[0] - found[1]).max() > 1e-3


def test_a_vocabulary_grows_once_and_pads_to_what_is_asked(variant):
  c = hf.open_checkpoint(variant("llama"))
  assert vocabulary.at_least(c, 97) is c and vocabulary.padded(c, 1) is c
  more = vocabulary.padded(vocabulary.at_least(c, 101), 8)
  assert (more.config.V, more.config.vocab_padding) == (104, 3)
  assert vocabulary.padded(more, 8) is more
  assert vocabulary.at_least(more, 103).config.V == 103
  assert vocabulary.as_stored(more) == dataclasses.replace(
    c, growth=more.growth, hf_config=more.hf_config
  )
  with pytest.raises(InputError, match="model.pad_vocab_to=0 must be at least 1"):
    vocabulary.padded(c, 0)
