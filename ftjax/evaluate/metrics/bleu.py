"""Corpus BLEU (Papineni et al. 2002) as sacreBLEU computes it (Post 2018), against all references
of each prompt."""

from collections.abc import Sequence

from ftjax.evaluate.metrics._references import streams
from ftjax.evaluate.outputs import Asked
from ftjax.generate.generator import Completion

KIND = "texts"
FLOOR = True
SHOWN = (("bleu", "BLEU", "{:.1f}"),)


def update(batch: Asked, outputs: Sequence[Completion]):
  """(texts, reference streams)."""
  return [c.text for c in outputs], streams(batch.references)


def result(sums) -> dict[str, float]:
  """bleu: 0 to 100; tokenisation 13a, exponential smoothing, case kept."""
  from sacrebleu.metrics import BLEU

  texts, references = sums
  return {"bleu": BLEU(force=True).corpus_score(texts, references).score}
