"""Duplicates: every removal is justified, and the result depends on the rows and ranks alone."""

import functools

import numpy as np
import pytest

from ftjax.data.dedup import candidates, near
from ftjax.data.dedup.near import duplicates
from ftjax.data.dedup.result import EXACT, KEPT, NEAR
from ftjax.data.dedup.settings import Settings
from ftjax.data.dedup.signatures import Sketch, sketch
from ftjax.data.dedup.verify import Shingles, similarities
from ftjax.data.example import Example

FIELDS = ["keep", "cluster", "of", "reason", "similarity"]


def chat(prompt: str, response: str) -> Example:
  return Example(
    messages=({"role": "user", "content": prompt}, {"role": "assistant", "content": response})
  )


def find(rows, settings=None, order=None, chunk=1000, **options):
  settings = settings or Settings()
  parts = [sketch(rows[i : i + chunk], settings) for i in range(0, len(rows), chunk)]
  return duplicates(parts, settings, order, **options)


def text(random, size: int) -> list[str]:
  return [f"w{i}" for i in random.integers(0, 3000, size)]


def corpus(seed: int = 0, families: int = 60) -> list[Example]:
  """Families of rows edited from one another, among them exact ones, short, blank and with
  prompts."""
  random = np.random.default_rng(seed)
  rows = []
  for family in range(families):
    words = text(random, random.integers(1, 120))
    prompt = " ".join(text(random, 12)) if family % 3 == 0 else ""
    for _ in range(random.integers(1, 7)):
      body = " ".join(words)
      body = body.upper() + "!" if random.random() < 0.2 else body
      rows.append(chat(prompt, body) if prompt else Example(text=body))
      if random.random() < 0.7:
        at = random.integers(len(words))
        words = [*words[:at], f"new{random.integers(99)}", *words[at + 1 :]]
  rows += [
    Example(text=""),
    Example(text=" "),
    Example(text=""),
    chat("only", ""),
    chat("only", ""),
  ]
  return [rows[i] for i in random.permutation(len(rows))]


@functools.cache
def shingle_set(text: str) -> frozenset:
  words = text.lower().replace("!", "").split()
  return frozenset(tuple(words[i : i + 3]) for i in range(len(words) and max(1, len(words) - 2)))


def similarity(a: Example, b: Example) -> float:
  """The lower of the two Jaccard similarities, by sets of words."""
  found = [1.0]
  for one, other in [(a.response, b.response), (a.prompt, b.prompt)]:
    one, other = shingle_set(one), shingle_set(other)
    found.append(len(one & other) / len(one | other) if one | other else 1.0)
  return min(found) if a.response.strip() and b.response.strip() else 0.0


def test_verification_is_the_jaccard_similarity_of_word_sets():
  rows = corpus()
  parts = [sketch(rows[:50], Settings()), sketch(rows[50:], Settings())]
  shingles = Shingles(parts)
  sizes = np.stack([shingles.sizes(0), shingles.sizes(1)])
  first, second = (x.ravel() for x in np.meshgrid(np.arange(len(rows)), np.arange(len(rows))))
  found = similarities(shingles, sizes, first, second, 0.3)
  for i, j, x in zip(first.tolist(), second.tolist(), found.tolist(), strict=True):
    true = similarity(rows[i], rows[j])
    assert x == (true if true >= 0.3 else 0), (i, j)


@pytest.mark.parametrize("threshold", [0.6, 0.8])
def test_every_removed_row_has_a_similar_kept_row_that_ranks_above_it(threshold):
  rows = corpus()
  order = np.random.default_rng(1).permutation(len(rows))
  found = find(rows, Settings(threshold=threshold), order)
  removed = np.flatnonzero(~found.keep)
  assert len(removed) > 40 and set(found.reason[removed]) == {EXACT, NEAR}
  for i in removed.tolist():
    j = found.of[i]
    assert found.keep[j] and order[j] < order[i] and found.cluster[i] == found.cluster[j]
    true = similarity(rows[i], rows[j])
    assert true >= threshold and found.similarity[i] == np.float32(true)
    assert (found.reason[i] == NEAR) or true == 1
  kept = np.flatnonzero(found.keep)
  assert (found.of[kept] == -1).all() and (found.reason[kept] == KEPT).all()


@pytest.mark.parametrize("threshold", [0.6, 0.8])
def test_brute_force_greedy_removes_the_same_rows(threshold):
  """With so many bands that every similar pair is a candidate."""
  rows = corpus(2)
  order = np.random.default_rng(3).permutation(len(rows))
  found = find(rows, Settings(threshold=threshold, bands=60, rows=3), order)
  kept: list[int] = []
  for i in np.argsort(order).tolist():
    if not any(similarity(rows[i], rows[j]) >= threshold for j in kept):
      kept.append(i)
  assert sorted(kept) == np.flatnonzero(found.keep).tolist()


def test_no_two_kept_candidates_are_similar():
  rows = corpus(4)
  settings = Settings(bands=31, rows=2)
  found = find(rows, settings)
  keys = sketch(rows, settings).bands
  kept = np.flatnonzero(found.keep).tolist()
  candidates = [
    (i, j) for i in kept for j in kept if i < j and ((keys[i] == keys[j]) & (keys[i] > 0)).any()
  ]
  assert len(candidates) > 20
  assert max(similarity(rows[i], rows[j]) for i, j in candidates) < settings.threshold


@pytest.mark.parametrize("chunk", [7, 100, 1000])
@pytest.mark.parametrize("memory", [1 << 30, 5000])
def test_neither_chunks_nor_memory_change_the_result(chunk, memory):
  rows = corpus()
  order = np.random.default_rng(1).permutation(len(rows))
  expected, found = find(rows, order=order), find(rows, order=order, chunk=chunk, memory=memory)
  for name in FIELDS:
    np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_the_order_of_the_rows_changes_nothing():
  rows = corpus()
  order = np.random.default_rng(1).permutation(len(rows))
  expected = find(rows, order=order)
  moved = np.random.default_rng(2).permutation(len(rows))
  found = find([rows[i] for i in moved], order=order[moved])
  for name in ("keep", "cluster", "reason", "similarity"):
    np.testing.assert_array_equal(getattr(found, name), getattr(expected, name)[moved])
  of = np.where(found.of >= 0, moved[found.of], -1)
  np.testing.assert_array_equal(of, expected.of[moved])


def test_sketches_on_disk_are_the_same(tmp_path):
  rows = corpus()
  paths = []
  for i in range(0, len(rows), 50):
    paths.append(tmp_path / str(i))
    sketch(rows[i : i + 50], Settings()).save(paths[-1])
  found, expected = duplicates(paths, Settings()), find(rows)
  for name in FIELDS:
    np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_one_prompts_different_answers_are_kept_together():
  random = np.random.default_rng(0)
  answers = [" ".join(text(random, 40)) for _ in range(3)]
  rows = [chat("Say something.", a) for a in answers] + [chat("say SOMETHING", answers[0])]
  found = find([*rows, chat("Another thing", answers[1])])
  assert found.keep.tolist() == [True, True, True, False, True]
  assert found.of[3] == 0 and found.reason[3] == EXACT
  assert found.cluster.tolist() == [0, 0, 0, 0, 1]


def test_the_prompts_must_be_similar_as_well():
  random = np.random.default_rng(0)
  answer, prompt, other = (" ".join(text(random, n)) for n in (80, 30, 30))
  near_prompt = prompt.replace(prompt.split()[-1], "end")
  rows = [chat(prompt, answer), chat(other, answer), chat(near_prompt, answer)]
  assert find(rows).keep.tolist() == [True, True, False]
  assert find([*rows, Example(text=answer)]).keep.tolist() == [True, True, False, True]


def test_blank_responses_never_match():
  rows = [Example(text=""), Example(text=" \n"), chat("a", ""), chat("a", " "), chat("", "")]
  found = find(rows)
  assert found.keep.all()
  assert found.cluster.tolist() == [0, 1, 2, 2, 3]


def test_chinese_rows_are_compared_by_characters():
  story = "从前有一位老人住在山脚下的小村庄里每天清晨他都会沿着河边散步看着太阳慢慢升起来然后回家"
  rows = [
    Example(text=t) for t in (story, story + "。", story.replace("河边", "湖边"), story[::-1])
  ]
  found = find(rows, Settings(threshold=0.7))
  assert found.reason.tolist() == [KEPT, EXACT, NEAR, KEPT]


def test_an_exact_repeat_of_a_removed_row_names_the_row_that_stays():
  random = np.random.default_rng(0)
  words = text(random, 100)
  best, other = " ".join(words), " ".join([*words[:50], "new", *words[51:]])
  found = find([Example(text=t) for t in (best, other, other.upper())])
  assert found.of.tolist() == [-1, 0, 0] and found.reason.tolist() == [KEPT, NEAR, NEAR]
  assert found.similarity[1] == found.similarity[2] == np.float32(95 / 101)


@pytest.mark.parametrize(
  "settings, reasons",
  [
    (Settings(), [KEPT, EXACT, NEAR]),
    (Settings(near=False), [KEPT, EXACT, KEPT]),
    (Settings(exact=False), [KEPT, NEAR, NEAR]),
    (Settings(exact=False, near=False), [KEPT, KEPT, KEPT]),
  ],
)
def test_each_kind_can_be_switched_off(settings, reasons):
  words = text(np.random.default_rng(0), 100)
  rows = [" ".join(words), " ".join(words).upper(), " ".join([*words[:-1], "end"])]
  assert find([Example(text=t) for t in rows], settings).reason.tolist() == reasons


def test_validation_rows_win_and_are_counted():
  words = [" ".join(text(np.random.default_rng(i), 50)) for i in range(3)]
  rows = [Example(text=t) for t in (*words, words[0], words[1] + " more", words[2], words[0])]
  validation = np.array([0, 0, 0, 1, 1, 0, 1], bool)
  found = find(rows, order=np.where(validation, 0, 1))
  assert found.keep.tolist() == [False, False, True, True, True, False, False]
  assert found.against(validation) == 2  # not the validation row that repeats another one


def test_a_bucket_of_like_rows_stays_linear(monkeypatch):
  """50,000 rows with one sketch and different words: pairs are as many as rows, not their square,
  and none is compared twice."""
  rows = 50_000
  one = sketch([Example(text="a b c d e f g h")], Settings())
  exact = np.arange(1, 2 * rows + 1, dtype=np.uint64).reshape(rows, 2)
  same = Sketch(
    exact, np.zeros(rows, np.uint64), np.repeat(one.bands, rows, 0),
    np.repeat(np.arange(rows + 1) * len(one.shingles), 2)[1:], np.tile(one.shingles, rows),
  )  # fmt: skip
  compared = []
  count = lambda *args: compared.append(len(args[2])) or similarities(*args)
  monkeypatch.setattr(near, "similarities", count)
  found = duplicates([same], Settings())
  assert found.keep.sum() == 1 and (found.of[1:] == 0).all()
  assert sum(compared) <= rows * (candidates.WINDOW + 1)


def test_no_rows_at_all():
  for parts in ([], [sketch([], Settings())]):
    found = duplicates(parts, Settings())
    assert len(found.keep) == 0 and found.summary()["clusters"] == 0


def test_the_summary_counts_what_was_found():
  rows = corpus()
  found = find(rows)
  summary = found.summary()
  sizes = {c: (found.cluster == c).sum() for c in found.cluster.tolist()}
  assert summary["exact"] + summary["near"] == (~found.keep).sum()
  assert summary["clusters"] == sum(n > 1 for n in sizes.values())
  assert sum(int(n) * k for n, k in summary["clusters_of"].items()) == sum(
    n for n in sizes.values() if n > 1
  )
  assert sum(summary["similarity"]["counts"]) == summary["near"]
  assert "of their shingles" in found.why(int(np.flatnonzero(found.reason == NEAR)[0]))


def test_a_sketch_made_otherwise_is_refused():
  part = sketch([Example(text="a b c d")], Settings(bands=5))
  with pytest.raises(ValueError, match="dedup.bands=30"):
    duplicates([part], Settings())


def test_the_most_similar_kept_row_is_named():
  words = text(np.random.default_rng(0), 100)
  changed = lambda *places: Example(
    text=" ".join(f"new{i}" if i in places else w for i, w in enumerate(words))
  )
  rows = [changed(10, 20), changed(80), changed()]  # 0.83 between the kept ones; 0.88, 0.94
  found = find(rows, Settings(threshold=0.88))
  assert found.keep.tolist() == [True, True, False] and found.of[2] == 1
  assert found.similarity[2] == np.float32(95 / 101)


def test_all_128_bits_make_an_exact_repeat():
  keys = np.array([[1, 1], [1, 2], [1, 1], [2, 1], [1, 2], [1, 3]], np.uint64)
  nothing = np.zeros((6, 0), np.uint64)
  part = Sketch(keys, np.zeros(6, np.uint64), nothing, np.zeros(13, int), np.zeros(0, np.uint32))
  found = duplicates([part], Settings(near=False))
  assert found.of.tolist() == [-1, -1, 0, -1, 1, -1]
