"""Batches: rows into bins, bins into arrays, and the seeded, sharded, checkpointable order in
which they come.

data = load(config.data, tokenizer)
packed = bins(data.train, data.max_length, pack=True)
for batch, rows in batches(data.train, packed, batch_size=8, max_length=data.max_length, seed=0):
...
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ftjax.batch import GENERAL, Batch, empty
from ftjax.config import InputError
from ftjax.data.encode import Rows
from ftjax.data.pack import best_fit, in_order
from ftjax.data.prepare import Data, load
from ftjax.data.read import read

if TYPE_CHECKING:
  import grain

__all__ = [
  "Data", "Loaded", "Rows", "batches", "bins", "fixed_batches", "load", "read", "steps_per_epoch", "tokens_per_step",
  "width",
]  # fmt: skip

Bins = Sequence[Sequence[int]]
_ENDLESS = 1 << 40  # Updates: grain wants a number.


class Loaded(NamedTuple):
  """A batch of an update, and what it was made of.

  batch: every field [accumulate, rows here, T]. rows: int64 [accumulate, batch_size], the bin of
  each row of the whole batch; `bins[i]` are rows, whose places `Rows.place` knows.
  """

  batch: Batch
  rows: np.ndarray


def bins(rows: Rows, max_length: int, pack: bool, ordered: bool = False) -> list[list[int]]:
  """Which rows share a row of a batch: best fit, or the order kept (ordered=True), or each row
  alone (pack=False).

  Raises InputError for a row that does not fit into max_length places.
  """
  taken = rows.places_taken
  if len(taken) and taken.max() > max_length:
    i = int(taken.argmax())
    raise InputError(
      f"{rows.place(i)}: {rows.lengths[i]} tokens do not fit into {max_length} places."
    )
  if not pack:
    return [[i] for i in range(len(rows))]
  return (in_order if ordered else best_fit)(taken.tolist(), max_length)


def width(rows: Rows, bins: Bins, max_length: int) -> int:
  """T of all batches of these bins: the fullest bin, rounded up to a multiple of 64, at most
  max_length. One number for the whole data set, so that a step is compiled once."""
  taken = rows.places_taken
  longest = max((int(taken[list(b)].sum()) for b in bins), default=1)
  return min(max_length, math.ceil(longest / 64) * 64)


def steps_per_epoch(bins: Bins, batch_size: int, accumulate: int = 1) -> float:
  """Updates in one pass over the bins; not whole when the last one is shared with the next pass."""
  return len(bins) / (batch_size * accumulate)


def tokens_per_step(rows: Rows, bins: Bins, batch_size: int, accumulate: int = 1) -> float:
  """Tokens in an update, on average over a pass: places that are not padding, whatever is trained."""
  return int(rows.places_taken.sum()) / steps_per_epoch(bins, batch_size, accumulate)


def batches(
  rows: Rows,
  bins: Bins,
  *,
  batch_size: int,
  accumulate: int = 1,
  max_length: int,
  seed: int = 0,
  shuffle: bool = True,
  here: Sequence[int] | np.ndarray | None = None,
  epochs: float | None = None,
) -> grain.DatasetIterator[Loaded]:
  """An iterator of `Loaded`, with get_state() and set_state() (a small JSON-able dict; resume is
  exact).

  Every pass is shuffled anew by `seed`. Passes follow each other without a gap: an update that the
  end of one leaves incomplete is filled from the next, and no row is dropped. here: which of each
  micro batch's batch_size rows are made, in this order; None = all. So the whole batch does not
  depend on how many processes share it. With shuffle=False, row r of micro batch m of update i is bin (i * accumulate +
  m) * batch_size + r, from the start again after the last.

  epochs: how many passes, rounded up to whole updates; None = without end. Raises InputError for
  no bins.
  """
  import grain

  if not len(bins):
    raise InputError("There are no rows to train on.")
  length = width(rows, bins, max_length)
  here = np.arange(batch_size) if here is None else np.asarray(here)

  @functools.lru_cache(maxsize=2)  # An update may span two passes.
  def order(number: int) -> np.ndarray:
    """The bins in the order of pass `number`. RandomState, as numpy keeps its numbers the same for
    ever."""
    seeds = np.random.SeedSequence((seed, number))
    random = np.random.RandomState(np.random.MT19937(seeds))
    return random.permutation(len(bins)) if shuffle else np.arange(len(bins))

  def build(step: int) -> Loaded:
    at = step * batch_size * accumulate + np.arange(batch_size * accumulate)
    chosen = np.array([order(i // len(bins))[i % len(bins)] for i in at.tolist()])
    chosen = chosen.reshape(accumulate, batch_size)
    micro = [fill(rows, [bins[i] for i in row], length) for row in chosen[:, here]]
    return Loaded(Batch(*map(np.stack, zip(*micro, strict=True))), chosen)

  once = steps_per_epoch(bins, batch_size, accumulate)
  steps = _ENDLESS if epochs is None else math.ceil(epochs * once)
  reading = grain.ReadOptions(num_threads=1, prefetch_buffer_size=4)
  return iter(grain.MapDataset.range(steps).map(build).to_iter_dataset(reading))


def fixed_batches(rows: Rows, bins: Bins, batch_size: int, max_length: int) -> Iterator[Batch]:
  """Every bin once, in order, as batches [batch_size, T]; the last is filled up with padding
  (segments and weights 0)."""
  length = width(rows, bins, max_length)
  for at in range(0, len(bins), batch_size):
    yield fill(rows, bins[at : at + batch_size], length, batch_size)


def fill(rows: Rows, bins: Bins, length: int, batch_size: int | None = None) -> Batch:
  """Bins as one Batch [batch_size or len(bins), length].

  A document of n ids takes n - 1 places: tokens ids[:-1], targets ids[1:], weights trained[1:].
  """
  batch = empty(batch_size or len(bins), length)
  for r, members in enumerate(bins):
    at = 0
    for segment, i in enumerate(members, 1):
      ids, trained = rows.row(i)
      here = slice(at, at + len(ids) - 1)
      batch.tokens[r, here] = ids[:-1]
      batch.targets[r, here] = ids[1:]
      batch.weights[r, here] = trained[1:]
      batch.positions[r, here] = np.arange(len(ids) - 1)
      replayed = rows.general is not None and rows.general[i]
      batch.segments[r, here] = segment + (GENERAL if replayed else 0)
      at = here.stop
  return batch
