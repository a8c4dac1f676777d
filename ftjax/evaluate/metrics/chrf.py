"""Corpus chrF (Popovic 2015): F-score of character n-grams, which needs no tokenisation; by
sacreBLEU."""

from collections.abc import Sequence

from ftjax.evaluate.metrics._references import streams
from ftjax.evaluate.outputs import Asked
from ftjax.generate.generator import Completion

KIND = "texts"
FLOOR = True
SHOWN = (("chrf", "chrF", "{:.1f}"),)


def update(batch: Asked, outputs: Sequence[Completion]):
  """(texts, reference streams)."""
  return [c.text for c in outputs], streams(batch.references)


def result(sums) -> dict[str, float]:
  """chrf: 0 to 100; up to 6 characters, recall weighted twice."""
  from sacrebleu.metrics import CHRF

  texts, references = sums
  return {"chrf": CHRF().corpus_score(texts, references).score}
