"""Laws of the decoder: causal, documents apart, cached = uncached, scanned = unrolled, remat =
none."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ftjax.config import InputError
from ftjax.models import decoder, hf, lora
from ftjax.models.cache import make_cache
from tests.models.reference import FAST, logits, rows
from tests.tiny import KINDS

CASES = [(kind, "xla") for kind in (*KINDS, "gemma3_text", "gpt_oss")] + [("llama", "blocked")]
# Beside xla, what runs on a CPU: splash by an interpreter, cudnn not at all (see test_attention).
OTHERS = [("blocked", k) for k in ("llama", "mistral", "gemma2", "gpt_oss", "falcon, alibi")] + [
  ("splash", "gemma2")
]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def model(request, variant):
  """(decoder, variables) of each family, and of each implementation of attention."""
  kind, attention = request.param
  checkpoint = hf.open_checkpoint(variant(kind))
  return decoder.Decoder(checkpoint.config, attention=attention), hf.read(checkpoint, jnp.float32)


@pytest.mark.parametrize("segment", [1, 2])
def test_a_document_does_not_move_a_bit_of_another(model, segment):
  batch = rows()  # Its last row holds two documents.
  changed = batch.segments[2] == segment
  kept = batch.segments[2] == 3 - segment
  other = batch.tokens.copy()
  other[2, changed] = (other[2, changed] + 1) % 97
  before, after = (
    np.asarray(logits(*model, tokens, *batch[1:3])) for tokens in (batch.tokens, other)
  )
  assert np.array_equal(before[2, kept], after[2, kept])
  assert (before[2, changed] != after[2, changed]).any(-1).all()


def test_no_gradient_from_the_future_nor_from_another_document(model):
  """All ids differ, so each row of the token table is the embedding of one place."""
  decode, variables = model
  batch = rows(((7, 9),), 17)
  batch.tokens[0] = np.arange(17)
  weigh = jax.random.normal(jax.random.key(0), (decode.config.D,))

  @functools.partial(jax.jit, compiler_options=FAST)
  @functools.partial(jax.vmap, in_axes=(None, 0))
  @jax.grad
  def sensitivity(table, t):
    params = variables["params"] | {"embed": variables["params"]["embed"] | {"tokens": table}}
    hidden, _ = decode.apply({"params": params}, *batch[:3])
    return hidden[0, t] @ weigh

  grads = sensitivity(variables["params"]["embed"]["tokens"], jnp.arange(16))
  reached = np.abs(np.asarray(grads))[:, :16].max(-1) > 0  # [place read, place of the embedding]
  same = batch.segments[0, :16, None] == batch.segments[0, None, :16]
  assert np.array_equal(reached, same & np.tri(16, dtype=bool))


def test_cached_and_unrolled_is_uncached_and_scanned(model):
  """A prompt of 7 tokens and one of 4, left-padded, then a token at a time."""
  decode, variables = model
  T, V = 13, decode.config.V
  tokens, _, segments, _ = rows(((13,), (13,), ()))
  segments[1, :3] = 0
  positions = np.maximum(np.cumsum(segments, 1) - 1, 0).astype(np.int32)
  whole = np.asarray(logits(decode, variables, tokens, positions, segments))

  flat = decoder.unstack(variables, decode.config.L)
  step = jax.jit(lambda *args: decode.clone(scan=False).apply(flat, *args))
  cache = make_cache(decode.config, 3, 16, jnp.float32)
  parts = []
  for a, b in [(0, 7)] + [(t, t + 1) for t in range(7, T)]:
    hidden, cache = step(tokens[:, a:b], positions[:, a:b], segments[:, a:b], cache)
    parts.append(hidden)
  assert int(cache.length) == T and step._cache_size() == 2
  head = decoder.head(variables, decode.config)
  cached = np.asarray(decoder.logits(jnp.concatenate(parts, 1), head))
  seen = segments[:, :T] > 0
  assert cached.shape == (3, T, V) and seen.sum() == 23
  np.testing.assert_allclose(cached[seen], whole[:, :T][seen], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "kind"), OTHERS)
def test_every_attention_gives_what_xla_gives(variant, kind, name):
  """Logits and gradients, over more than one block, with packed documents and padding; with a window
  in all layers, with caps and a window in some, with sinks, and with ALiBi."""
  checkpoint = hf.open_checkpoint(variant(kind))
  variables = hf.read(checkpoint, jnp.float32)
  batch = rows(((90, 71), (47,)), 163)
  seen = jnp.asarray(batch.segments > 0)[..., None]

  @functools.partial(jax.jit, static_argnums=0, compiler_options=FAST)
  def both(model, variables):
    def loss(variables):
      hidden, _ = model.apply(variables, *batch[:3])
      hidden = jnp.where(seen, hidden, 0)
      return jnp.sin(hidden).sum(), hidden

    return jax.value_and_grad(loss, has_aux=True)(variables)

  (_, expected), expected_grads = both(
    decoder.Decoder(checkpoint.config, attention="xla"), variables
  )
  (_, found), grads = both(decoder.Decoder(checkpoint.config, attention=name), variables)
  np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4), grads, expected_grads
  )


def test_rematerialised_gradients_are_the_same(variant):
  """With dropout on, so that the recomputation must draw the same mask, and with layers that
  differ."""
  checkpoint = hf.open_checkpoint(variant("gemma3_text"))
  config = checkpoint.config
  targets = lora.choose(config, checkpoint.table, "down_proj")
  variables = hf.read(checkpoint, jnp.float32)
  variables |= lora.init(jax.random.key(0), config, targets, rank=3, alpha=6)
  variables["lora"] = jax.tree.map(lambda x: x + 0.1, variables["lora"])
  batch = rows(((11, 6),), 19)

  def gradients(remat):
    model = decoder.Decoder(config, attention="xla", remat=remat, dropout=0.3)

    @functools.partial(jax.jit, compiler_options=FAST)
    @jax.grad
    def grad(variables):
      keys = {"dropout": jax.random.key(1)}
      hidden, _ = model.apply(variables, *batch[:3], train=True, rngs=keys)
      return jnp.sin(hidden).sum()

    return grad(variables)

  plain = gradients("none")
  for remat in ("dots", "block"):
    close = lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4)
    jax.tree.map(close, gradients(remat), plain)


@pytest.mark.parametrize(
  "flag, value, message",
  [
    ("remat", "all", "train.remat='all' is not known"),
    ("attention", "fast", "model.attention='fast'"),
  ],
)
def test_unknown_choices_are_named(variant, flag, value, message):
  config = hf.open_checkpoint(variant("llama")).config
  ids = np.zeros((1, 3), np.int32)
  with pytest.raises(InputError, match=message):
    model = decoder.Decoder(config, **{flag: value})
    jax.eval_shape(model.init, jax.random.key(0), ids, ids, ids)


def test_a_random_model_has_the_leaves_and_shapes_of_a_checkpoint(model, variant):
  decode, variables = model
  fresh = jax.eval_shape(lambda key: decoder.init(decode.config, key), jax.random.key(0))
  assert jax.tree.map(jnp.shape, variables) == jax.tree.map(jnp.shape, fresh)
