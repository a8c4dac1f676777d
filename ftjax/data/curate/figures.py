"""report.json: what was read, dropped, changed and written, in figures and a few excerpts."""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ftjax.data.curate import decide
from ftjax.data.curate.decide import Decision
from ftjax.data.curate.excerpt import excerpt, text_of
from ftjax.data.curate.gather import Table
from ftjax.data.curate.rows import SPLITS
from ftjax.data.curate.stream import PARENT
from ftjax.data.example import Example

_BAD = 100
_SAMPLES = 4  # rows of a split that are shown
_BLOCK = 500  # rows that are counted at once


def steps(table: Table, limit: int) -> list[dict[str, Any]]:
  """Each step's figures over all chunks of the sources, in order."""
  out: dict[str, dict[str, Any]] = {}
  for stats in table.stats:
    for step in stats["steps"] if stats["side"] != PARENT else ():
      name = step["name"]
      total = out.setdefault(
        name,
        {"name": name, "in": 0, "out": 0, "dropped": Counter(), "changed": 0, "counts": Counter(), "examples": []},
      )  # fmt: skip
      for key in ("in", "out", "changed"):
        total[key] += step[key]
      for key in ("dropped", "counts"):
        total[key].update(step[key])
      had = Counter(e["reason"] for e in total["examples"])
      for example in step["examples"]:
        if had[example["reason"]] < limit:
          had[example["reason"]] += 1
          total["examples"].append(example)
  return list(out.values())


# What is left out after the steps: the name of the stage, the reason, and what to say of it.
_LATER = (
  (decide.KNOWN, "known", "already_there", "the version that is updated has this row"),
  (decide.LEAK, "held out", "like_a_validation_row", "it repeats, or shares a prompt with, a validation row"),
  (decide.STRADDLES, "split", "straddles", "it ties training rows to held-out ones"),
  (decide.CAPPED, "cap", "over_the_cap", "its source has more rows than its cap"),
)  # fmt: skip


def later(table: Table, decision: Decision, limit: int) -> list[dict[str, Any]]:
  """The same for what was left out after the steps, but for duplicates."""
  out = []
  parent = table.side == PARENT
  for fate, name, reason, detail in _LATER:
    lost = np.flatnonzero((decision.fate == fate) & ~parent)
    if len(lost):
      shown = lost[:limit] if fate != decide.KNOWN else ()
      examples = [_shown(table.example(int(i)), reason, detail) for i in shown]
      out.append(
        {"name": name, "in": len(lost), "out": 0, "dropped": {reason: len(lost)}, "changed": 0, "counts": {},
         "examples": examples}
      )  # fmt: skip
  return out


_OLD = {
  decide.EXACT: "exact_duplicate", decide.NEAR: "near_duplicate", decide.LEAK: "like_a_validation_row",
  decide.STRADDLES: "straddles", decide.CAPPED: "over_the_cap", decide.PRUNED: "no_source_gives_it",
}  # fmt: skip


def old_rows(table: Table, decision: Decision, limit: int) -> list[dict[str, Any]]:
  """The same for the rows of the version that is updated."""
  fate = np.where(table.side == PARENT, decision.fate, decide.KEPT)
  lost = {reason: np.flatnonzero(fate == f) for f, reason in _OLD.items()}
  lost = {reason: at for reason, at in lost.items() if len(at)}
  if not lost:
    return []
  examples = [_shown(table.example(int(i)), r, "") for r, at in lost.items() for i in at[:limit]]
  counts = {reason: len(at) for reason, at in lost.items()}
  total = sum(counts.values())
  return [
    {
      "name": "old rows",
      "in": total,
      "out": 0,
      "dropped": counts,
      "changed": 0,
      "counts": {},
      "examples": examples,
    }
  ]


def _shown(example: Example, reason: str, detail: str) -> dict[str, str]:
  return {
    "reason": reason, "detail": detail, "place": example.origin.place,
    "before": excerpt(text_of(example)), "after": "",
  }  # fmt: skip


def duplicates(table: Table, decision: Decision, limit: int) -> dict[str, Any]:
  """Counts of removed rows, of the clusters and their sizes, similarities, and pairs."""
  found, fate = decision.duplicates, decision.fate
  pairs = []
  for reason in (decide.NEAR, decide.EXACT):
    most = limit if reason == decide.NEAR else max(limit // 3, limit - len(pairs))
    at = np.flatnonzero((fate == reason) & (found.of >= 0))
    if reason == decide.NEAR and len(at):  # the least alike first: they are the ones to doubt
      at = at[np.argsort(found.similarity[at], kind="stable")]
    pairs += [_pair(table, found, int(i)) for i in at[:most]]
  removed = np.isin(fate, (decide.EXACT, decide.NEAR)) & (table.side != PARENT)
  return found.summary() | {
    "exact": int((removed & (fate == decide.EXACT)).sum()),
    "near": int((removed & (fate == decide.NEAR)).sum()),
    "against_validation": decision.count(decide.LEAK),
    "straddling": decision.count(decide.STRADDLES),
    "examples": pairs,
  }


def _pair(table: Table, found: Any, row: int) -> dict[str, Any]:
  side = lambda i: (lambda e: {"place": e.origin.place, "text": excerpt(text_of(e))})(
    table.example(i)
  )
  kept = int(found.of[row])
  return {
    "kept": side(kept), "removed": side(row), "similarity": round(float(found.similarity[row]), 3),
    "why": found.why(row),
  }  # fmt: skip


def bad(table: Table) -> list[dict[str, str]]:
  return [b for stats in table.stats for b in stats["bad"]][:_BAD]


def step_counts(all_steps: list[dict[str, Any]], *names: str) -> dict[str, int]:
  """What the steps of these names counted."""
  out: Counter[str] = Counter()
  for step in all_steps:
    if step["name"] in names:
      out.update(step["counts"])
  return dict(sorted(out.items()))


@dataclass
class Written:
  """What is counted of the rows as they are written, a block at a time.

  count: fn(examples) -> (tokens, trained tokens) of each.
  """

  count: Any
  balance: Any
  words: Any
  tokens: Any
  diversity: Any
  splits: dict[str, Counter] = field(default_factory=lambda: {s: Counter() for s in SPLITS})
  sources: Counter = field(default_factory=Counter)
  samples: dict[str, list[tuple[int, int, Example]]] = field(default_factory=dict)
  weighted: int = 0
  _waiting: list[tuple[Example, str]] = field(default_factory=list)

  def see(self, row: int, example: Example, split: str) -> None:
    del row
    self._waiting.append((example, split))
    if len(self._waiting) >= _BLOCK:
      self.flush()

  def flush(self) -> None:
    """Counts what waits."""
    waiting, self._waiting = self._waiting, []
    counts = self.count([e for e, _ in waiting]) if waiting else []
    for (example, split), (tokens, trained) in zip(waiting, counts, strict=True):
      words = len(example.response.split()) + len(example.prompt.split())
      self.splits[split].update(rows=1, words=words, tokens=tokens, trained_tokens=trained)
      self.words.update([words])
      self.tokens.update([tokens])
      self.balance.update(example)
      self.diversity.update(example)
      self.sources[example.origin.source] += 1
      self.weighted += example.weight != 1.0
      self._offer(example, split)

  def _offer(self, example: Example, split: str) -> None:
    """Keeps the rows of a split whose places have the lowest checksums: any few, the same ones each
    time. The first rows of a file are often all of one sort."""
    shown = self.samples.setdefault(split, [])
    rank = zlib.crc32(example.origin.place.encode())
    if len(shown) < _SAMPLES or rank < shown[-1][0]:
      shown.append((rank, self.splits[split]["rows"], example))
      shown.sort(key=lambda s: s[:2])
      del shown[_SAMPLES:]

  def _shown(self) -> list[dict[str, str]]:
    return [
      {"split": split, "place": example.origin.place, "text": excerpt(text_of(example))}
      for split, shown in self.samples.items()
      for _, _, example in sorted(shown, key=lambda s: s[1])
    ]

  def result(self) -> dict[str, Any]:
    """The parts of the report that these are."""
    self.flush()
    return {
      "splits": {s: dict(c) for s, c in self.splits.items() if c["rows"]},
      "lengths": {"words": self.words.result(), "tokens": self.tokens.result()},
      "balance": self.balance.result(), "diversity": self.diversity.result(), "samples": self._shown(),
    }  # fmt: skip
