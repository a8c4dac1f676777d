"""Which rows share a key, without ever comparing all rows of a bucket with one another."""

from __future__ import annotations

import numpy as np

WINDOW = 8  # rows before it in its bucket that a row is compared with, beside the first


def repeats(
  keys: np.ndarray, ids: np.ndarray, second: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
  """(members, place): the ids of the rows whose key another row has as well, bucket by bucket, in
  rising order within one; and the place of each in its bucket, 0 for the smallest id. second: more
  bits of the keys, which part the rows of a bucket further."""
  order = np.argsort(keys)
  same = keys[order[1:]] == keys[order[:-1]]
  shared = np.zeros(len(keys), bool)
  shared[1:] = same
  shared[:-1] |= same
  at = np.flatnonzero(shared)
  bucket = np.cumsum(~np.concatenate([[False], same])[at])
  rows = order[at]
  more = np.zeros(len(rows), np.uint64) if second is None else second[rows]
  within = np.lexsort((ids[rows], more, bucket))
  bucket, more = bucket[within], more[within]
  starts = np.ones(len(rows), bool)
  starts[1:] = (bucket[1:] != bucket[:-1]) | (more[1:] != more[:-1])
  place = np.arange(len(rows))
  return ids[rows][within], place - np.maximum.accumulate(np.where(starts, place, 0))


def leaders(members: np.ndarray, place: np.ndarray) -> np.ndarray:
  """The first of each member's bucket."""
  return members[np.arange(len(members)) - place]


def pairs(members: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """(smaller ids, larger ids) to compare: each member with the first of its bucket and with the
  WINDOW before it, so the number of pairs is linear in the number of rows."""
  later = np.flatnonzero(place > WINDOW)
  first, second = [members[later - place[later]]], [members[later]]
  for back in range(1, WINDOW + 1):
    at = np.flatnonzero(place >= back)
    first.append(members[at - back])
    second.append(members[at])
  return np.concatenate(first), np.concatenate(second)
