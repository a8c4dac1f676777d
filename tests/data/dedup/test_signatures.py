"""Sketches: MinHash and LSH do what theory says, and a sketch depends on its row alone."""

import numpy as np
import pytest

from ftjax.config import InputError
from ftjax.data.dedup import signatures
from ftjax.data.dedup.settings import Settings
from ftjax.data.dedup.signatures import Sketch, bands, minhash, sketch
from ftjax.data.example import Example

FIELDS = ["exact", "prompt", "bands", "offsets", "shingles"]


def chat(prompt: str, response: str) -> Example:
  return Example(
    messages=({"role": "user", "content": prompt}, {"role": "assistant", "content": response})
  )


def random_pairs(number: int, size: int, similarity: float, seed: int):
  """(shingles, offsets) of number * 2 random sets: neighbours have this Jaccard similarity."""
  random = np.random.default_rng(seed)
  common = round(2 * size * similarity / (1 + similarity))
  sets = []
  for _ in range(number):
    values = np.unique(random.integers(0, 2**32, 3 * size, np.uint32))
    random.shuffle(values)
    sets += [values[:size], np.concatenate([values[:common], values[size : 2 * size - common]])]
  offsets = np.concatenate([[0], np.cumsum([len(s) for s in sets])])
  return np.concatenate(sets), offsets, common / (2 * size - common)


@pytest.mark.parametrize("size", [7, 60, 300])
@pytest.mark.parametrize("similarity", [0.2, 0.5, 0.8, 0.95])
def test_minhash_estimates_jaccard_without_bias(size, similarity):
  """Within four standard errors of the mean over 200 pairs of 256 permutations each."""
  shingles, offsets, exact = random_pairs(200, size, similarity, seed=size)
  found = minhash(shingles, offsets, 256, seed=3)
  estimates = (found[:, ::2] == found[:, 1::2]).mean(0)
  error = np.sqrt(exact * (1 - exact) / 256 / 200)
  assert abs(estimates.mean() - exact) < 4 * error + 1e-12
  assert estimates.std() < 1.3 * np.sqrt(exact * (1 - exact) / 256) + 1e-12


@pytest.mark.parametrize("similarity", [0.4, 0.55, 0.7, 0.85])
def test_bands_make_candidates_with_the_known_probability(similarity):
  settings = Settings()
  shingles, offsets, exact = random_pairs(1500, 60, similarity, seed=5)
  sides = np.repeat(offsets, 2)[1:]  # every row has an empty prompt
  keys = bands(shingles, sides, settings)
  share = (keys[::2] == keys[1::2]).any(1).mean()
  expected = settings.candidate_probability(exact)
  assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / 1500) + 1e-3


def test_minhash_is_the_least_permuted_value(monkeypatch):
  """Against each set alone in plain integers, with tiles that cut sets in pieces."""
  random = np.random.default_rng(0)
  sizes = random.integers(0, 40, 50)
  offsets = np.concatenate([[0], np.cumsum(sizes)])
  shingles = random.integers(0, 2**32, offsets[-1], np.uint32)
  monkeypatch.setattr(signatures, "_TILE", 11 * 16)
  found = minhash(shingles, offsets, 16, seed=9)
  factors, terms = (x[:, 0].tolist() for x in signatures._permutations(16, 9))
  for i in range(50):
    own = shingles[offsets[i] : offsets[i + 1]].tolist()
    least = [
      min([(a * x + b) % 2**32 for x in own], default=2**32 - 1)
      for a, b in zip(factors, terms, strict=True)
    ]
    assert found[:, i].tolist() == least


def examples() -> list[Example]:
  random = np.random.default_rng(1)
  text = lambda low: " ".join(f"w{i}" for i in random.integers(0, 50, random.integers(low, 60)))
  out = [Example(text=text(0)) for _ in range(40)] + [chat(text(0), text(0)) for _ in range(40)]
  return out + [Example(text=""), Example(text="你好世界"), chat("only a prompt", " ")]


def test_a_sketch_depends_on_its_row_alone(monkeypatch):
  rows = examples()
  whole = sketch(rows, Settings())
  alone = [sketch([row], Settings()) for row in rows]
  monkeypatch.setattr(signatures, "_BLOCK", 300)
  blocks = sketch(rows, Settings())
  for name in FIELDS:
    np.testing.assert_array_equal(getattr(blocks, name), getattr(whole, name))
  for name in ("exact", "prompt", "bands", "shingles"):
    np.testing.assert_array_equal(
      np.concatenate([getattr(s, name) for s in alone]), getattr(whole, name)
    )


def test_a_file_gives_the_same_sketch_mapped(tmp_path):
  whole = sketch(examples(), Settings())
  whole.save(tmp_path / "a")
  loaded = Sketch.load(tmp_path / "a")
  for name in FIELDS:
    np.testing.assert_array_equal(getattr(loaded, name), getattr(whole, name))
    assert getattr(loaded, name).dtype == getattr(whole, name).dtype
  assert isinstance(loaded.bands, np.memmap) and loaded.bands[:, 0].flags.c_contiguous


@pytest.mark.parametrize("near", [True, False])
def test_no_rows_make_an_empty_sketch(near, tmp_path):
  empty = sketch([], Settings(near=near))
  empty.save(tmp_path / "a")
  assert len(Sketch.load(tmp_path / "a")) == len(empty) == 0


def test_shingles_are_sets():
  found = sketch([Example(text="a b c " * 9), Example(text="b c a b c a")], Settings())
  assert np.diff(found.offsets).tolist() == [3, 0, 3, 0]
  np.testing.assert_array_equal(found.shingles[:3], found.shingles[3:])
  assert (np.diff(found.shingles[:3].astype(np.int64)) > 0).all()


def test_prompt_and_response_are_told_apart():
  found = sketch([chat("a b c d", "e f g h"), chat("e f g h", "a b c d")], Settings())
  assert not (found.exact[0] == found.exact[1]).any()
  assert not (found.bands[0] == found.bands[1]).any()


def test_the_rejected_answer_counts():
  pair = chat("question", "good answer")
  with_rejected = lambda text: Example(
    messages=pair.messages, rejected=({"role": "assistant", "content": text},)
  )
  found = sketch([with_rejected("bad"), with_rejected("worse")], Settings())
  assert (found.exact[0] != found.exact[1]).any()


@pytest.mark.parametrize(
  "given, message",
  [
    ({"treshold": 0.5}, "dedup.treshold does not exist.*threshold"),
    ({"threshold": 0}, "dedup.threshold=0 must be above 0"),
    ({"threshold": 80}, "dedup.threshold=80 must be above 0 and at most 1"),
    ({"bands": 0}, "dedup.bands=0 must be a whole number"),
    ({"shingle": 2.5}, "dedup.shingle=2.5 must be a whole number"),
  ],
)
def test_settings_say_what_is_wrong(given, message):
  with pytest.raises(InputError, match=message):
    Settings.of(given)


def test_the_config_is_read():
  from ftjax.data.defaults import get_config

  assert Settings.of(get_config().dedup) == Settings()
