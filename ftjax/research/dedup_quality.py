"""Recall and precision on a corpus whose copies and personal data are known."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence

from ftjax.data.dedup.near import duplicates
from ftjax.data.dedup.result import Duplicates
from ftjax.data.dedup.settings import Settings
from ftjax.data.dedup.signatures import sketch
from ftjax.data.example import Example
from ftjax.research import dedup_corpus
from ftjax.research.dedup_personal import LOOK_ALIKE

_CHUNK = 5_000


def recall(found: Duplicates, pairs: Sequence[dedup_corpus.Pair]) -> float:
  """The share of planted pairs of which one row was removed for the other."""
  of = found.of
  hits = sum(of[p.copy] == p.original or of[p.original] == p.copy for p in pairs)
  return hits / len(pairs) if pairs else 1.0


def table(corpus: dedup_corpus.Corpus) -> dict[str, dict[str, float]]:
  """Per threshold and class of planted copies: how many are truly at or above the threshold, the
  recall of those, and the precision of all removals of its rows. A removal is right where the true
  similarity, measured on the words themselves, is at or above the threshold."""
  chunks = [corpus.texts[i : i + _CHUNK] for i in range(0, len(corpus.texts), _CHUNK)]
  sketches = [sketch([Example(text=t) for t in chunk], Settings()) for chunk in chunks]
  out = {}
  for threshold in (0.8, 0.7):
    found = duplicates(sketches, Settings(threshold=threshold))
    kind = {row: p.kind for p in corpus.pairs for row in (p.original, p.copy)}
    removed, right = Counter(), Counter()
    for row in (~found.keep).nonzero()[0].tolist():
      true = dedup_corpus.similarity(corpus.texts[row], corpus.texts[found.of[row]])
      for name in (kind.get(row, "not planted"), "all"):
        removed[name] += 1
        right[name] += true >= threshold
    for name in [
      dedup_corpus.SAME,
      dedup_corpus.RESTYLED,
      *dedup_corpus.NEAR,
      "not planted",
      "all",
    ]:
      pairs = [p for p in corpus.pairs if name in (p.kind, "all")]
      similar = [p for p in pairs if p.similarity >= threshold]
      out[f"{name} (threshold {threshold})"] = {
        "planted": len(pairs),
        "at_threshold": len(similar),
        "removed": removed[name],
        "recall": recall(found, similar) if similar else float("nan"),
        "precision": right[name] / removed[name] if removed[name] else float("nan"),
      }
  return out


def personal_table(
  corpus: dedup_corpus.Corpus, clean: Callable[[str], str]
) -> dict[str, dict[str, float]]:
  """Per kind of personal data: how many values were planted, the share that `clean` (text -> text
  with placeholders such as [EMAIL]) takes out, and the share of that kind's placeholders that stand
  where one was planted; and how many look-alikes it left alone.

  `ftjax.data.clean.steps.hide` is such a function.
  """
  planted = {p.row: p for p in corpus.personal}
  number, hidden, marks, right = Counter(), Counter(), Counter(), Counter()
  for row, text in enumerate(corpus.texts):
    p = planted.get(row)
    cleaned = clean(text)
    if p:
      number[p.kind] += 1
      hidden[p.kind] += p.value not in cleaned
    for mark in re.findall(r"\[([A-Z_]+)[\]:]", cleaned):
      marks[mark.lower()] += 1
      right[mark.lower()] += p is not None and p.kind == mark.lower()
  kinds = sorted((number.keys() | marks.keys()) - {LOOK_ALIKE})
  out = {
    kind: {
      "planted": number[kind],
      "recall": hidden[kind] / number[kind] if number[kind] else float("nan"),
      "precision": right[kind] / marks[kind] if marks[kind] else float("nan"),
    }
    for kind in kinds
  }
  left = number[LOOK_ALIKE] - hidden[LOOK_ALIKE]
  return out | {LOOK_ALIKE: {"planted": number[LOOK_ALIKE], "left_alone": left}}


if __name__ == "__main__":
  # python -m ftjax.research.dedup_quality [ROWS]: the table of personal data, as `hide` masks it.
  from ftjax.data.clean.steps import hide
  from ftjax.research import tables

  number = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
  print(tables.aligned(personal_table(dedup_corpus.make(number), hide)))
