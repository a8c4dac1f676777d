"""Distinct-1 and distinct-2 (Li et al. 2016): how many of all words, and pairs of words, are
different ones; and how many of all texts."""

from collections import Counter
from collections.abc import Sequence

from ftjax.evaluate.outputs import Asked
from ftjax.generate.generator import Completion

KIND = "texts"
FLOOR = False
SHOWN = (("distinct_texts", "texts unlike all others", "{:.0%}"),)


def update(batch: Asked, outputs: Sequence[Completion]) -> list[Counter]:
  """Counts of words, of pairs of neighbours, and of texts, over all texts."""
  words = [c.text.split() for c in outputs]
  return [
    Counter(w for ws in words for w in ws),
    Counter(p for ws in words for p in zip(ws, ws[1:], strict=False)),
    Counter(map(" ".join, words)),
  ]


def result(sums: Sequence[Counter]) -> dict[str, float]:
  """distinct_1, distinct_2: from 0 (all the same) to 1; texts of unlike length are not comparable
  by them. distinct_texts: share of texts that no other prompt got as well."""
  *grams, texts = sums
  found = {f"distinct_{n}": len(c) / max(1, c.total()) for n, c in enumerate(grams, 1)}
  alone = sum(n == 1 for n in texts.values())
  return found | {"distinct_texts": alone / max(1, texts.total())}
