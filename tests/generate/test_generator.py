"""Generation against transformers, and the laws that it must keep."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from ftjax.config import InputError
from ftjax.generate import engine
from ftjax.generate.generator import Generator
from ftjax.generate.sampling import Sampling
from ftjax.models import decoder, hf
from ftjax.models.families import llama as llama_family
from tests.tiny import KINDS, tiny_checkpoint, torch_model

PROMPTS = [
  [5, 17, 3, 88, 41],
  [9],
  [7, 7, 7, 60, 2, 31, 90, 14, 55, 1, 23, 8, 71, 66, 4, 12],
  [50, 49, 48],
]
WARM = Sampling(temperature=0.9, top_k=30, top_p=0.9, repetition_penalty=1.2)


def _open(folder, **kwargs):
  checkpoint = hf.open_checkpoint(folder)
  return Generator(checkpoint.config, hf.read(checkpoint, jnp.float32), **kwargs)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
  sizes = {
    "gpt2": {"n_positions": 56}
  }  # as many as the longest prompt and its completion: the last one is used
  make = lambda k: tiny_checkpoint(k, tmp_path_factory.mktemp(k), noise=0.3, **sizes.get(k, {}))
  return {k: make(k) for k in KINDS}


@pytest.fixture(scope="module")
def llama(folders):
  return _open(folders["llama"])


def _theirs(folder, prompts, **kwargs):
  """transformers' generate on a left-padded batch: the new ids of each row."""
  longest = max(map(len, prompts))
  ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts])
  mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
  out = torch_model(folder).generate(
    ids, attention_mask=mask, pad_token_id=0, do_sample=False, **kwargs
  )
  return [row[longest:].tolist() for row in out]


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_is_that_of_transformers(folders, kind):
  ours = _open(folders[kind]).generate(PROMPTS, max_new_tokens=40)
  assert [list(c.ids) for c in ours] == _theirs(folders[kind], PROMPTS, max_new_tokens=40)
  assert len({c.ids for c in ours}) == len(PROMPTS)
  assert all(c.reason == "length" and c.text == "" for c in ours)


def test_greedy_with_a_repetition_penalty_is_that_of_transformers(folders, llama):
  ours = llama.generate(PROMPTS[2:3], max_new_tokens=40, sampling=Sampling(repetition_penalty=1.4))
  assert [list(c.ids) for c in ours] == _theirs(
    folders["llama"], PROMPTS[2:3], max_new_tokens=40, repetition_penalty=1.4
  )


def test_cached_is_uncached(folders, llama):
  checkpoint = hf.open_checkpoint(folders["llama"])
  variables, config = hf.read(checkpoint, jnp.float32), checkpoint.config
  new = llama.generate(PROMPTS[:1], max_new_tokens=40)[0].ids
  row = jnp.asarray([PROMPTS[0] + list(new)])
  positions = jnp.arange(row.shape[1])[None]
  hidden, _ = decoder.Decoder(config).apply(variables, row, positions, jnp.ones_like(row))
  logits = decoder.logits(hidden, decoder.head(variables, config))
  assert tuple(logits[0, 4:-1].argmax(-1).tolist()) == new


@pytest.mark.parametrize("sampling", [Sampling(), WARM, Sampling(1.0, top_p=0.8)])
def test_a_row_depends_on_itself_alone(llama, sampling):
  run = lambda prompts, **kwargs: llama.generate(
    prompts, max_new_tokens=40, sampling=sampling, seed=4, **kwargs
  )
  together = run(PROMPTS)
  assert run(PROMPTS[2:0:-1] + PROMPTS[:1]) == together[2:0:-1] + together[:1]
  assert run(PROMPTS, batch_size=1) == [run([p])[0] for p in PROMPTS] == together


def test_the_seed_and_the_occurrence_decide_the_sample(llama):
  run = lambda prompts, seed: llama.generate(prompts, max_new_tokens=40, sampling=WARM, seed=seed)
  first, second, third = run([PROMPTS[0]] * 3, 1)
  assert run([PROMPTS[3], PROMPTS[0], PROMPTS[0]], 1)[1:] == [first, second]
  other = run([PROMPTS[0]], 2)[0]
  assert len({first.ids, second.ids, third.ids, other.ids}) == 4


def test_stop_ids_end_a_row_and_min_new_tokens_holds_them_off(folders, llama):
  free = llama.generate(PROMPTS, max_new_tokens=40)
  stop = free[0].ids[10]
  stopping = _open(folders["llama"], stop_ids=(stop, 96))
  for with_stop, without in zip(stopping.generate(PROMPTS, max_new_tokens=40), free, strict=True):
    ends = [i for i, t in enumerate(without.ids) if t in (stop, 96)]
    cut = ends[0] + 1 if ends else 40
    assert with_stop.ids == without.ids[:cut]
    assert with_stop.reason == ("stop" if ends else "length")
  late = stopping.generate(PROMPTS, max_new_tokens=40, min_new_tokens=30)
  assert all(not {stop, 96} & set(c.ids[:30]) and len(c.ids) >= 30 for c in late)
  assert stopping.generate(PROMPTS[:1], max_new_tokens=1)[0].ids == free[0].ids[:1]


def test_a_step_is_traced_once(llama):
  llama.generate([[1, 2, 3]], max_new_tokens=40, sampling=WARM)
  before = engine.prefill._cache_size(), engine.decode._cache_size()
  for n, sampling in ((33, Sampling(0.5, 30, 0.5, 2.0)), (48, Sampling(2.0, 30, 0.1, 0.7))):
    llama.generate([list(range(1, 13))], max_new_tokens=n, sampling=sampling, seed=n)
  assert (engine.prefill._cache_size(), engine.decode._cache_size()) == before


def test_buckets_are_few_and_never_much_larger():
  sizes = [engine.bucket(n) for n in range(1, 5000)]
  assert all(n <= s <= max(16, 2 * n) for n, s in enumerate(sizes, 1))
  assert sorted(set(sizes))[:8] == [16, 32, 48, 64, 96, 128, 192, 256]


@pytest.mark.parametrize(
  "prompts,kwargs,message",
  [
    (
      [[1], list(range(96))],
      dict(max_new_tokens=40),
      r"Prompt 1 has 96 tokens, .* 136: .* context of 128.* to 88",
    ),
    ([[1], []], dict(max_new_tokens=8), "Prompt 1 has no token"),
    ([[1, 97]], dict(max_new_tokens=8), "the id 97, and the model knows ids from 0 to 96"),
    (["a"], {}, "no tokenizer, and a text needs one"),
    ([[1], 5], dict(max_new_tokens=8), r"Prompt 1 is '5' \(int\). A prompt is a text or a list"),
    ([[1, 2.0]], dict(max_new_tokens=8), r"Prompt 0 is '\[1, 2.0\]' \(list\)"),
    ([{"role": "user", "content": "a"}], {}, r"\(dict\).*model.chat\(messages\)"),
    ([[1]], dict(stop="x", max_new_tokens=8), "no tokenizer, and a stop string needs one"),
    ([[1]], dict(stop=("x", ""), max_new_tokens=8), "stop='' is not a stop string"),
    ([[1]], dict(max_new_tokens=0), "max_new_tokens=0 must be a whole number"),
    ([[1]], dict(min_new_tokens=9, max_new_tokens=8), "min_new_tokens=9 .* max_new_tokens=8"),
    ([[1]], dict(batch_size=0, max_new_tokens=8), "batch_size=0 must be"),
    ([[1]], dict(seed=-1, max_new_tokens=8), "seed=-1 must be"),
  ],
)
def test_bad_input_is_explained(llama, prompts, kwargs, message):
  with pytest.raises(InputError, match=message):
    llama.generate(prompts, **kwargs)


def test_a_prompt_has_a_limit_of_its_own(folders, llama):
  """Its text is the beginning of the longer one, whatever limits its neighbours have."""
  free = llama.generate(PROMPTS, max_new_tokens=40)
  most = [3, 40, 33, 1]
  cut = llama.generate(PROMPTS, max_new_tokens=most)
  assert [c.ids for c in cut] == [c.ids[:n] for c, n in zip(free, most, strict=True)]
  assert {c.reason for c in cut} == {"length"}
  end = free[0].ids[
    2
  ]  # the last id that the first prompt has room for, and one that comes too late
  stopping = _open(folders["llama"], stop_ids=[end, free[3].ids[1]])
  ended = stopping.generate(PROMPTS, max_new_tokens=most)
  assert ended[0] == (ended[0].__class__)("", free[0].ids[: free[0].ids.index(end) + 1], "stop")
  assert (ended[3].ids, ended[3].reason) == (free[3].ids[:1], "length")


@pytest.fixture
def pieces():
  """A function that makes prefills go in pieces of so many bytes; they are compiled anew, for one test."""
  with pytest.MonkeyPatch.context() as patch:

    def choose(nbytes):
      patch.setattr(engine, "WIDEST", nbytes)
      engine.prefill.clear_cache()

    yield choose
  engine.prefill.clear_cache()


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_prefill_in_pieces_is_that_of_the_whole(folders, kind, pieces):
  """For rows that begin in any of the pieces; what padding leaves behind nobody sees."""
  model, slots = _open(folders[kind])._model, 64
  prompts = [list(range(1, 1 + n)) for n in (1, 7, 12, 13, 30, 48)]
  tokens, segments = engine.pad_left(prompts, len(prompts), 48)
  most = np.full(len(prompts), 8, np.int32)
  run = lambda: engine.prefill(model.variables, tokens, segments, most, model.program, slots)
  logits, cache = run()
  pieces(1 << 17)
  assert engine._piece(model.program.config, len(prompts), 48, slots) in (6, 12, 24)
  again, filled = run()
  close = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5, strict=True)
  close(again, logits)
  np.testing.assert_array_equal(filled.segments, cache.segments)
  for a, b in zip(jax.tree.leaves(filled.layers), jax.tree.leaves(cache.layers), strict=True):
    own = np.asarray(cache.segments)[:, None, :, None] == 1
    close(np.where(own, a, 0), np.where(own, b, 0))


def test_a_prefill_of_many_long_prompts_is_bounded(pieces):
  """Compiled and not run: for all positions at once the scores alone would take 64 MiB."""
  config = llama_family.config(
    {"vocab_size": 32, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
     "num_attention_heads": 4, "rms_norm_eps": 1e-5, "max_position_embeddings": 2048}
  )  # fmt: skip
  shapes = jax.eval_shape(lambda: decoder.unstack(decoder.init(config, jax.random.key(0)), 1))
  ids, most = (jax.ShapeDtypeStruct(shape, jnp.int32) for shape in ((4, 1024), (4,)))
  program = engine.Program(config, jnp.dtype(jnp.float32), "auto")

  def temporaries():
    compiled = engine.prefill.lower(shapes, ids, ids, most, program, 1024).compile()
    return compiled.memory_analysis().temp_size_in_bytes / 2**20

  whole = temporaries()
  pieces(4 << 20)
  assert whole > 64 and temporaries() < 16


def test_nothing_in_nothing_out(llama):
  assert llama.generate([]) == []


def test_a_list_of_ids_is_one_prompt(llama):
  (whole,) = llama.generate([[5, 6]], max_new_tokens=40)
  assert llama.generate([5, 6], max_new_tokens=40) == [whole]
  assert llama.generate(np.array([5, 6]), max_new_tokens=40) == [whole]
