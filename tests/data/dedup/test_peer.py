"""Against datasketch, and on a corpus whose copies are known."""

import numpy as np
import pytest

from ftjax.data.dedup.settings import Settings
from ftjax.data.dedup.signatures import sketch
from ftjax.data.example import Example
from ftjax.research import benchmark_dedup, dedup_corpus, dedup_personal, dedup_quality


@pytest.fixture(scope="module")
def corpus() -> dedup_corpus.Corpus:
  return dedup_corpus.make(1200, seed=3)


def test_datasketch_removes_the_same_rows(corpus):
  pytest.importorskip("datasketch", reason="needs datasketch: pip install -e '.[test]'")
  sketches = [sketch([Example(text=t) for t in corpus.texts], Settings())]
  theirs = benchmark_dedup._theirs_from_shingles(sketches)
  ours = benchmark_dedup._ours_from_shingles(sketches)
  expected = [p for p in corpus.pairs if p.similarity >= 0.85]  # each is a candidate of both
  assert dedup_quality.recall(ours, expected) == dedup_quality.recall(theirs, expected) == 1
  assert (ours.keep != theirs.keep).sum() <= 2


def test_recall_and_precision_on_planted_copies(corpus):
  table = dedup_quality.table(corpus)
  assert table["all (threshold 0.8)"]["recall"] >= 0.95
  assert table["all (threshold 0.8)"]["precision"] >= 0.98
  assert table["near 0.8 (threshold 0.8)"]["at_threshold"] == 60
  assert table["near 0.7 (threshold 0.8)"]["removed"] == 0
  assert table["near 0.7 (threshold 0.7)"]["recall"] >= 0.9


def test_planted_pairs_are_what_they_claim(corpus):
  for p in corpus.pairs:
    one, other = corpus.texts[p.original], corpus.texts[p.copy]
    assert dedup_corpus.similarity(one, other) == p.similarity
    low = dedup_corpus.NEAR.get(p.kind, 1)
    assert low <= p.similarity <= low + 0.1
    assert (one == other) == (p.kind == dedup_corpus.SAME)
  kinds = [p.kind for p in corpus.pairs]
  assert {k: kinds.count(k) for k in kinds} == {
    "exact": 30, "exact but for case and punctuation": 30,
    "near 0.9": 60, "near 0.8": 60, "near 0.7": 60,
  }  # fmt: skip


def test_the_corpus_is_the_same_every_time():
  assert dedup_corpus.make(100, 1) == dedup_corpus.make(100, 1) != dedup_corpus.make(100, 2)


def test_personal_data_stands_where_the_truth_says(corpus):
  planted = corpus.personal
  assert {p.kind for p in planted} == {*dedup_personal.KINDS, dedup_personal.LOOK_ALIKE}
  copied = {row for p in corpus.pairs for row in (p.original, p.copy)}
  for p in planted:
    assert p.value in corpus.texts[p.row] and p.row not in copied


def test_the_table_of_personal_data_counts(corpus):
  """A cleaner that knows the truth is perfect; one that does nothing finds nothing."""
  truth = {p.value: p.kind for p in corpus.personal if p.kind != dedup_personal.LOOK_ALIKE}

  def perfect(text):
    for value, kind in truth.items():
      text = text.replace(value, f"[{kind.upper()}]")
    return text

  table = dedup_quality.personal_table(corpus, perfect)
  for kind in dedup_personal.KINDS:
    assert table[kind] == {"planted": 12, "recall": 1.0, "precision": 1.0}
  nothing = dedup_quality.personal_table(corpus, str)
  assert all(nothing[kind]["recall"] == 0 for kind in dedup_personal.KINDS)
  assert np.isnan(nothing["email"]["precision"])
