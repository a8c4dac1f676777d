"""Texts scored and shown."""

import pytest
import sacrebleu

from ftjax.evaluate.outputs import Asked, load_metrics
from ftjax.evaluate.samples import generate_and_score
from ftjax.generate.generator import Completion

TEXTS = ["The cat sat on the mat.", "A dog barked at the cat all day.", ""]
REFERENCES = [
  ["The cat sat on a mat.", "A cat was on the mat."],
  ["A dog barked all day at a cat."],
  ["Nobody said a word.", "Silence.", "Not a word was said."],
]
ASKED = Asked(["a", "b", "c"], REFERENCES)


class Stub:
  """Stands for a Generator: gives fixed texts."""

  def generate(self, prompts, **kwargs):
    self.asked = kwargs
    return [
      Completion(t, tuple(range(len(t))), "stop" if i else "length")
      for i, t in enumerate(TEXTS[: len(prompts)])
    ]


def test_scores_are_those_of_sacrebleu_with_every_reference():
  found, completions = generate_and_score(
    Stub(), ["a", "b", "c"], ASKED, max_new_tokens=7, batch_size=2
  )
  assert [c.text for c in completions] == TEXTS
  streams = [
    [r[0] for r in REFERENCES],
    [*(r[-1] if len(r) > 1 else None for r in REFERENCES[:2]), "Silence."],
  ]
  streams.append([None, None, "Not a word was said."])
  assert found["bleu"] == pytest.approx(sacrebleu.corpus_bleu(TEXTS, streams).score)
  assert found["chrf"] == pytest.approx(sacrebleu.corpus_chrf(TEXTS, streams).score)
  assert found["bleu"] > sacrebleu.corpus_bleu(TEXTS, streams[:1]).score  # the others count


def test_endings_and_diversity():
  found, _ = generate_and_score(Stub(), ["a", "b", "c"], ASKED)
  assert found["finished"] == pytest.approx(2 / 3)
  assert found["mean_tokens"] == pytest.approx(sum(map(len, TEXTS)) / 3)
  words = [t.split() for t in TEXTS]
  pairs = [p for w in words for p in zip(w, w[1:], strict=False)]
  flat = sum(words, [])
  assert found["distinct_1"] == pytest.approx(len(set(flat)) / len(flat)) != 1
  assert found["distinct_2"] == pytest.approx(len(set(pairs)) / len(pairs))
  assert found["distinct_texts"] == 1


def test_texts_that_two_prompts_got_are_not_unlike_all_others():
  texts = [Completion(t, (), "stop") for t in ("a b", "a  b", "c", "d")]
  module = load_metrics(["diversity"], "texts")[0]
  assert module.result(module.update(ASKED, texts))["distinct_texts"] == 0.5


def test_every_metric_has_the_contract():
  from ftjax import plugin

  for name in plugin.names("ftjax.evaluate.metrics"):
    module = plugin.load("ftjax.evaluate.metrics", name)
    assert load_metrics([name], module.KIND) == [module]
    assert callable(module.update) and callable(module.result)
    assert all(len(row) == 3 for row in module.SHOWN) and module.FLOOR in (True, False)


def test_what_is_thought_before_an_answer_is_not_scored(monkeypatch):
  plain, _ = generate_and_score(Stub(), ["a", "b", "c"], ASKED, metrics=("bleu", "chrf"))
  thought = ["<think>\nhm\n</think>\n\n" + TEXTS[0], "\n</think>\n\n" + TEXTS[1], TEXTS[2]]
  monkeypatch.setattr("tests.evaluate.test_samples.TEXTS", thought)
  found, completions = generate_and_score(Stub(), ["a", "b", "c"], ASKED, metrics=("bleu", "chrf"))
  assert found == plain and [c.text for c in completions] == thought
