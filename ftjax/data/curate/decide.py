"""Which rows stay, and on which side of the split: decided over numbers alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ftjax import sizes
from ftjax.data.curate.chunk import source_key
from ftjax.data.curate.gather import Table
from ftjax.data.curate.rows import KINDS
from ftjax.data.curate.stream import PARENT, VALIDATION

if TYPE_CHECKING:
  from ftjax.data.dedup.signatures import Sketch

TRAIN, VALID, TEST = 0, 1, 2  # indices of rows.SPLITS
# Why a row is not in the version. EXACT and NEAR are the reasons of dedup.near.
KEPT, EXACT, NEAR, KNOWN, LEAK, STRADDLES, CAPPED, PRUNED = range(8)
_COMMON_ROWS, _COMMON_SHARE = 100, 0.05  # a prompt of more rows than both of these ties nothing


@dataclass
class Decision:
  """fate: uint8 [N], KEPT or why not. split: int8 [N], an index of rows.SPLITS, for kept rows. key:
  uint64 [N, 2], the key of the row's cluster. order: int64, the kept rows as the version has them:
  split by split, a parent's first (its chunks are), then as read. duplicates: what dedup.near found."""

  fate: np.ndarray
  split: np.ndarray
  key: np.ndarray
  duplicates: Any
  order: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
  warnings: list[str] = field(default_factory=list)
  capped: dict[str, int] = field(default_factory=dict)  # source -> rows left out

  def count(self, fate: int) -> int:
    return int((self.fate == fate).sum())


def decide(table: Table, settings: dict, caps: dict[str, int], prune: bool = False) -> Decision:
  """settings: those of the whole preparation. caps: rows at most, by source. prune: whether the
  parent's rows that the sources no longer give go.

  Ranks say who stays of two near duplicates: validation rows of the user's own, then the parent's
  held-out rows, then its training rows, then new rows; the longer, then the less changed, then the
  earlier one. A cluster has one split:

  - that of the parent's rows in it: a new row goes where its like is, and an old one never moves;
  - validation, where a validation source has a row in it: other rows of the cluster are left out;
  - else what the hash of its key says. The key is the lowest id of the cluster when it is first
    seen.

  A new row that ties together training and held-out rows of the parent is left out ("straddles").
  """
  from ftjax.data.dedup.near import duplicates

  n, ids = len(table), table["id"]
  parent, own = table.side == PARENT, table.side == VALIDATION
  held = parent & (table["split"] > TRAIN)
  pruned = parent & ~_among(ids, ids[~parent]) if prune else np.zeros(n, bool)
  tier = np.select([pruned, own, held, parent], [4, 0, 1, 2], 3)
  rank = np.empty(n, np.int64)
  rank[np.lexsort((np.arange(n), table["changes"], -table["length"], tier))] = np.arange(n)
  sketches, warnings = _sketches(table)
  memory = sizes.parse(settings["run"]["memory"], "run.memory")
  found = duplicates(sketches, settings["dedup"], order=rank, memory=memory // 4)

  fate = np.where(found.keep, KEPT, found.reason).astype(np.uint8)
  fate[~parent & ~own & _among(ids, ids[parent & ~pruned])] = KNOWN
  fate[pruned] = PRUNED
  cluster, count = found.cluster, int(found.cluster.max()) + 1 if n else 0
  split, key = _splits(table, cluster, count, rank, parent, own, settings)

  highest, lowest = _extremes(table["split"], cluster, count, parent & ~pruned)
  torn = (highest > TRAIN) & (lowest == TRAIN)
  fate[(fate == KEPT) & ~parent & ~own & torn[cluster]] = STRADDLES
  theirs = np.zeros(count, bool)
  theirs[cluster[own & (fate == KEPT)]] = True
  fate[(fate == KEPT) & ~own & theirs[cluster]] = LEAK
  held_rows = own | held
  leaked = ~held_rows & np.isin(fate, (EXACT, NEAR)) & (found.of >= 0)
  leaked[leaked] = own[found.of[leaked]]
  fate[leaked] = LEAK
  decision = Decision(fate, split, key, found, warnings=warnings)
  _cap(decision, table, caps, parent, own)
  kept = np.flatnonzero(fate == KEPT)
  decision.order = kept[np.argsort(split[kept], kind="stable")]
  return decision


def _sketches(table: Table) -> tuple[list[Sketch], list[str]]:
  """(the sketches, warnings). A prompt that is common to very many rows, such as one instruction
  for all, says nothing about which of them belong together: were it to tie them, all would fall on
  one side of the split."""
  from ftjax.data.dedup.signatures import Sketch

  sketches = [Sketch.load(path) for path in table.sketches]
  prompts = np.concatenate([np.zeros(0, np.uint64), *(s.prompt for s in sketches)])
  keys, counts = np.unique(prompts[prompts != 0], return_counts=True)
  common = keys[(counts > _COMMON_ROWS) & (counts > _COMMON_SHARE * len(table))]
  if not len(common):
    return sketches, []
  blank = lambda s: np.where(np.isin(s.prompt, common), np.uint64(0), s.prompt)
  rows = int(counts[np.isin(keys, common)].sum())
  return [replace(s, prompt=blank(s)) for s in sketches], [
    f"{rows:,} rows share {len(common)} prompt{'s' * (len(common) > 1)} that more than {_COMMON_SHARE:.0%} of all rows "
    "have. Such a prompt does not keep its rows on one side of the split, and a model may learn to ignore it."
  ]


def _among(ids: np.ndarray, others: np.ndarray) -> np.ndarray:
  """Whether each of `ids` is one of `others`; both uint64 [n, 2]."""
  return np.isin(keys(ids), keys(others))


def keys(ids: np.ndarray) -> np.ndarray:
  """Ids, uint64 [n, 2], as S16 [n]: values that can be compared and looked up."""
  return np.ascontiguousarray(ids.astype(">u8")).view("S16").ravel()


def _extremes(old, cluster, count, parent) -> tuple[np.ndarray, np.ndarray]:
  """(the highest, the lowest) split of the parent's rows in each cluster; -1 and 127 for none."""
  highest, lowest = np.full(count, -1, np.int8), np.full(count, 127, np.int8)
  np.maximum.at(highest, cluster[parent], old[parent])
  np.minimum.at(lowest, cluster[parent], old[parent])
  return highest, lowest


def _splits(table, cluster, count, rank, parent, own, settings):
  """(split, key) of every row."""
  ids = table["id"]
  order = np.lexsort((ids[:, 1], ids[:, 0], cluster))
  first = order[np.searchsorted(cluster[order], np.arange(count))]
  keys = ids[first]
  chosen = np.array([_side(k, settings["split"]) for k in keys], np.int8)
  olds = np.flatnonzero(parent)
  olds = olds[np.argsort(-rank[olds], kind="stable")]  # the best comes last, and is what stays
  keys[cluster[olds]] = table["cluster"][olds]
  chosen[cluster[olds]] = table["split"][olds]
  if own.any():  # Beside validation rows of the user's own, none are split off.
    old = np.zeros(count, bool)
    old[cluster[parent]] = True
    chosen[(chosen == VALID) & ~old] = TRAIN
  split = chosen[cluster]
  split[parent] = table["split"][parent]
  split[own] = VALID
  key = keys[cluster]
  key[parent] = table["cluster"][parent]
  return split, key


def _side(key: np.ndarray, settings: dict) -> int:
  """The split of a cluster, from its key alone (and split.seed)."""
  text = settings["seed"].encode("utf-8", "surrogatepass") + key.astype(">u8").tobytes()
  share = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) / 2**64
  if share < settings["validation"]:
    return VALID
  return TEST if share < settings["validation"] + settings["test"] else TRAIN


def _cap(decision: Decision, table: Table, caps: dict[str, int], parent, own) -> None:
  """Leaves out what a source has above its cap: the parent's rows stay first, then those whose ids
  are lowest, which is a fair choice and the same one each time."""
  for name, cap in caps.items():
    mine = table["source"] == np.uint64(source_key(name))
    here = np.flatnonzero((decision.fate == KEPT) & mine & ~own)
    if cap and len(here) > cap:
      ids = table["id"][here]
      ranked = here[np.lexsort((ids[:, 1], ids[:, 0], ~parent[here]))]
      decision.fate[ranked[cap:]] = CAPPED
      decision.capped[name] = len(ranked) - cap


def version_hash(kind: str, table: Table, decision: Decision) -> str:
  """SHA-256 over the kind, and each kept row's split, cluster and digest, in order."""
  order = decision.order
  digest = hashlib.sha256(f"ftjax dataset 1 {KINDS.index(kind)}\n".encode())
  parts = [
    decision.split[order].astype(np.uint8).reshape(-1, 1),
    *(np.ascontiguousarray(x[order].astype(">u8")).view(np.uint8).reshape(-1, 16) for x in (table["digest"], decision.key)),
  ]  # fmt: skip
  digest.update(np.concatenate(parts, axis=1).tobytes())
  return digest.hexdigest()
