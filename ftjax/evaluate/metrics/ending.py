"""How generations end: a model that never stops can have a good loss and be of no use."""

from collections.abc import Mapping, Sequence

from ftjax.evaluate.outputs import Asked
from ftjax.generate.generator import Completion

KIND = "texts"
FLOOR = False
SHOWN = (("finished", "ends by itself", "{:.0%}"),)


def update(batch: Asked, outputs: Sequence[Completion]) -> dict[str, float]:
  """Counts of texts, of those that ended by themselves, and of tokens."""
  return {
    "texts": len(outputs),
    "finished": sum(c.finished for c in outputs),
    "tokens": sum(len(c.ids) for c in outputs),
  }


def result(sums: Mapping[str, float]) -> dict[str, float]:
  """finished: share of texts that ended before the limit. mean_tokens: length, the stop token
  included."""
  texts = max(1, sums["texts"])
  return {"finished": sums["finished"] / texts, "mean_tokens": sums["tokens"] / texts}
