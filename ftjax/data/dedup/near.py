"""Which rows repeat others, over any number of sketches, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ftjax.data.dedup.candidates import leaders, pairs, repeats
from ftjax.data.dedup.result import EXACT, KEPT, NEAR, Duplicates
from ftjax.data.dedup.settings import Settings
from ftjax.data.dedup.signatures import Sketch
from ftjax.data.dedup.verify import PROMPT, RESPONSE, Shingles, similarities

_ROW_BYTES = 64  # that looking for equal keys takes for each row
_LOW = np.uint64(0xFFFFFFFF)


def duplicates(
  sketches: Sequence[Sketch | str | Path],
  settings: Any,
  order: np.ndarray | None = None,
  memory: int = 1 << 30,
) -> Duplicates:
  """Finds the duplicates among the rows of all sketches, numbered through in their order.

  order: a rank for every row, lower is better; equal ranks go by position. None: by position. The
  result depends on the rows and their ranks alone: not on how they are divided into sketches, nor,
  where no two ranks are equal, on their order.
  memory: bytes that looking for candidates takes, about, beside some 100 a row.

  An exact repeat is the best of its equals' repeat. Then row after row, best first, is removed where
  a row that is kept is a verified near duplicate of it. So every removed row has a kept row at or
  above the threshold, and rows that are only near to a removed one stay.
  """
  s = Settings.of(settings)
  parts = [x if isinstance(x, Sketch) else Sketch.load(x) for x in sketches]
  if s.near and any(part.bands.shape[1] != s.bands for part in parts):
    raise ValueError(f"a sketch was not made with dedup.near=True and dedup.bands={s.bands}")
  total = sum(map(len, parts))
  order = np.arange(total) if order is None else np.asarray(order)
  if order.shape != (total,):
    raise ValueError(f"order has shape {order.shape} for {total} rows")
  row_at = np.argsort(order, kind="stable")  # From here on a row is its place in this list, so
  rank = np.empty(total, np.int64)  # that a smaller number is a better row.
  rank[row_at] = np.arange(total)
  keys = _Keys(parts, rank, max(1, -(-total * _ROW_BYTES // memory)))

  of = np.full(total, -1, np.int64)
  reason = np.full(total, KEPT, np.uint8)
  similarity = np.zeros(total, np.float32)
  links = []  # (rows, rows) that share a cluster
  for members, place in keys.equal(lambda part: part.exact[:, 0], lambda part: part.exact[:, 1]):
    best, again = leaders(members, place)[place > 0], members[place > 0]
    links.append((best, again))
    if s.exact:
      of[again], reason[again], similarity[again] = best, EXACT, 1
  for members, place in keys.equal(lambda part: part.prompt):
    links.append((leaders(members, place)[place > 0], members[place > 0]))
  if s.near:
    first, second, similar = _near(parts, keys, row_at, of < 0, s, memory)
    links.append((first, second))
    _remove(first, second, similar, of, reason, similarity)

  cluster = _clusters(total, links)
  back = lambda values: values[rank]
  kept_row = np.where(of >= 0, row_at[of], -1)
  return Duplicates(
    back(reason) == KEPT, back(cluster), back(kept_row), back(reason), back(similarity), s.threshold
  )


class _Keys:
  """Columns of keys over all sketches, of which rows of equal keys are looked up: in as many passes
  as memory needs, each over the keys with one remainder."""

  def __init__(self, parts: list[Sketch], rank: np.ndarray, passes: int):
    self._parts, self._rank, self._passes = parts, rank, passes

  def equal(self, column, second=None, among=None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(members, place) of `repeats`, pass by pass. column, second: a sketch's keys, and more bits
    of them. A key of 0 equals none. among: bool[N], the rows that count."""
    for remainder in range(self._passes):
      found, more, ids, base = [], [], [], 0
      for part in self._parts:
        keys, rows = np.asarray(column(part)), self._rank[base : base + len(part)]
        base += len(part)
        use = keys != 0
        if self._passes > 1:
          use &= keys % np.uint64(self._passes) == remainder
        if among is not None:
          use &= among[rows]
        found.append(keys[use])
        ids.append(rows[use])
        if second is not None:
          more.append(np.asarray(second(part))[use])
      if found:
        yield repeats(*map(np.concatenate, [found, ids] + ([more] if more else [])))


def _near(parts, keys: _Keys, row_at, unique, s: Settings, memory: int):
  """(better rows, worse rows, similarities) of all verified pairs, among rows that are `unique`."""
  shingles = Shingles(parts)
  sizes = np.stack([shingles.sizes(RESPONSE), shingles.sizes(PROMPT)])
  tried = np.zeros(0, np.uint64)
  edges, similar = [tried], [np.zeros(0)]
  for band in range(s.bands):
    for members, place in keys.equal(lambda part, b=band: part.bands[:, b], among=unique):
      first, second = pairs(members, place)
      new = _sorted(first.astype(np.uint64) << np.uint64(32) | second.astype(np.uint64))
      new = new[~_within(new, tried)]
      first, second = (new >> np.uint64(32)).astype(np.int64), (new & _LOW).astype(np.int64)
      found = similarities(shingles, sizes, row_at[first], row_at[second], s.threshold)
      edges.append(new[found > 0])
      similar.append(found[found > 0])
      if 8 * (len(tried) + len(new)) > memory // 4:
        tried = new[:0]  # Forgotten pairs may be compared once more, to the same result.
      tried = np.concatenate([tried, new])
      tried.sort()
  edge, at = np.unique(np.concatenate(edges), return_index=True)
  first, second = (edge >> np.uint64(32)).astype(np.int64), (edge & _LOW).astype(np.int64)
  return first, second, np.concatenate(similar)[at]


def _sorted(values: np.ndarray) -> np.ndarray:
  """Sorted, each value once. (np.unique hashes first, and is slow where low bits repeat.)"""
  values = np.sort(values)
  return values[np.concatenate([[True], values[1:] != values[:-1]])[: len(values)]]


def _within(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
  if not len(ordered):
    return np.zeros(len(values), bool)
  at = np.searchsorted(ordered, values)
  return ordered[np.minimum(at, len(ordered) - 1)] == values


def _remove(first, second, similar, of, reason, similarity) -> None:
  """Decides row after row, best first; of several kept rows the most similar is named."""
  at = np.lexsort((first, -similar, second))
  for better, worse, x in zip(
    first[at].tolist(), second[at].tolist(), similar[at].tolist(), strict=True
  ):
    if of[worse] < 0 and of[better] < 0:
      of[worse], reason[worse], similarity[worse] = better, NEAR, x
  # An exact repeat of a row that was removed since repeats the row that stands for that one; its
  # words are the same, so its similarity is that one's as well.
  again = np.flatnonzero(reason == EXACT)
  again = again[of[of[again]] >= 0]
  similarity[again], reason[again], of[again] = similarity[of[again]], NEAR, of[of[again]]


def _clusters(total: int, links) -> np.ndarray:
  """Connected components, numbered by their best rows."""
  from scipy.sparse import coo_array
  from scipy.sparse.csgraph import connected_components

  first = np.concatenate([np.zeros(0, np.int64), *(a for a, _ in links)])
  second = np.concatenate([np.zeros(0, np.int64), *(b for _, b in links)])
  graph = coo_array((np.ones(len(first), bool), (first, second)), (total, total))
  labels = connected_components(graph, directed=False)[1]
  _, at, inverse = np.unique(labels, return_index=True, return_inverse=True)
  number = np.empty(len(at), np.int64)
  number[np.argsort(at)] = np.arange(len(at))
  return number[inverse]
