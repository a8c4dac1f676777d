"""What a metric is given, and how metrics are found.

A metric is a module of `ftjax.evaluate.metrics` with `KIND`, `update(batch, outputs) -> sums` and
`result(sums) -> {name: number}`; sums of several batches are added before the one call of `result`.
SHOWN: what tables show of it, as (name of a number, label, format); a name that ends in "*" is all
that begin so. FLOOR: whether a text that answers another prompt is worth a score (floor.py).

KIND "tokens": update runs on the device, in pmap or over a mesh; batch is a Batch, outputs are
Hidden, and sums a dict of float32 scalars. KIND "texts": update runs on the host, once for all
prompts; batch is Asked, outputs are Completions, and sums are whatever result wants.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

import jax

from ftjax import plugin
from ftjax.config import InputError
from ftjax.models.head import Head

METRICS = "ftjax.evaluate.metrics"


class Hidden(NamedTuple):
  """A model's last hidden states [B, T, D], and the head that takes them to logits
  (decoder.logits)."""

  hidden: jax.Array
  head: Head


class Asked(NamedTuple):
  """What texts answer. prompts: as people wrote them, without a chat template; "" for text that
  follows no prompt. references: all that each prompt has."""

  prompts: Sequence[str]
  references: Sequence[Sequence[str]]


def load_metrics(names: Sequence[str], kind: str) -> list[ModuleType]:
  """The metrics of these names; an InputError for a name that is unknown or of the other kind."""
  modules = [plugin.load(METRICS, name) for name in names]
  if wrong := [n for n, m in zip(names, modules, strict=True) if m.KIND != kind]:
    known = [n for n in plugin.names(METRICS) if plugin.load(METRICS, n).KIND == kind]
    raise InputError(f"The metric {wrong[0]!r} is not one on {kind}: those are {', '.join(known)}.")
  return modules


def split_kinds(names: Sequence[str]) -> tuple[list[str], list[str]]:
  """(names of metrics on tokens, names of metrics on texts)."""
  kinds = {name: plugin.load(METRICS, name).KIND for name in names}
  return [n for n in names if kinds[n] == "tokens"], [n for n in names if kinds[n] == "texts"]
