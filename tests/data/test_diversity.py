"""Figures of variety over a sample that no order changes."""

import numpy as np
import pytest

from ftjax.data.diversity import Diversity
from ftjax.data.example import Example


def measure(texts, size=2000) -> dict:
  found = Diversity(size)
  for text in texts:
    found.update(Example(text=text))
  return found.result()


def test_distinct_n_is_the_share_of_different_runs_of_words():
  found = measure(["a b a b", "A, b c"])
  assert found["distinct_1"] == 3 / 7
  assert found["distinct_2"] == 3 / 5  # ab ba ab; ab bc
  assert found["distinct_3"] == 1  # aba bab; abc


def test_distinct_n_equals_counting_one_by_one():
  random = np.random.default_rng(0)
  texts = [" ".join(map(str, random.integers(0, 9, random.integers(0, 20)))) for _ in range(200)]
  texts = list(dict.fromkeys(texts))
  found = measure(texts)
  for n in (1, 2, 3):
    grams = [tuple(t.split()[i : i + n]) for t in texts for i in range(len(t.split()) - n + 1)]
    assert found[f"distinct_{n}"] == len(set(grams)) / len(grams)
  fours = [{tuple(t.split()[i : i + 4]) for i in range(len(t.split()) - 3)} for t in texts]
  again = [
    any(g in o for o in fours[:i] + fours[i + 1 :] for g in own) for i, own in enumerate(fours)
  ]
  assert found["self_repetition"] == pytest.approx(np.mean(again))


def test_self_repetition_counts_rows_that_share_four_words():
  found = measure(
    ["one two three four five", "zero one two three four", "one two three", "x x x x x x"]
  )
  assert found["self_repetition"] == 0.5


def test_openings_that_come_again_are_listed():
  texts = [f"As an old friend said {i}" for i in range(3)] + ["Something else entirely, then"]
  assert measure(texts)["openings"] == {"As an old friend": 0.75}


def test_neither_order_nor_division_changes_the_sample():
  texts = [f"text number {i} of many" for i in range(500)]
  texts.sort(key=lambda t: _alone(t)._sample[0], reverse=True)  # those to leave out come last
  expected = measure(texts, size=50)
  assert expected["rows"] == 50 and measure(texts[::-1], size=50) == expected
  whole, *parts = (Diversity(50) for _ in range(4))
  for i, text in enumerate(texts):
    whole.update(Example(text=text))
    parts[i % 3].update(Example(text=text))
  for part in parts[1:]:
    parts[0].merge(part)
  assert sorted(parts[0]._sample) == sorted(whole._sample)
  lowest = sorted(d._sample[0] for d in map(_alone, texts))[-50:]
  assert sorted(whole._sample) == lowest


def _alone(text: str) -> Diversity:
  found = Diversity(1)
  found.update(Example(text=text))
  return found


def test_one_response_counts_once():
  assert measure(["the same words"] * 10)["rows"] == 1


def test_nothing_at_all():
  assert measure([])["distinct_1"] == 0
