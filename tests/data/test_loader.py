"""Batches: every target once, documents apart, the same order on every machine and after every
resume."""

import itertools
import json

import numpy as np
import pytest

from ftjax import finetuning
from ftjax.config import InputError
from ftjax.data.encode import Rows, Unit
from ftjax.data.loader import batches, bins, fixed_batches, steps_per_epoch, tokens_per_step, width
from ftjax.defaults import get_config


def rows_of(lengths, seed=0):
  """Random ids, each id once, so that a token tells where it came from."""
  rng = np.random.default_rng(seed)
  ids = np.split(rng.permutation(sum(lengths)).astype(np.int32), np.cumsum(lengths)[:-1])
  units = []
  for i, x in enumerate(ids):
    trained = rng.random(len(x)) < 0.7
    trained[0], trained[-1] = False, True
    units.append(Unit(x, trained, f"f.jsonl:{i + 1}", i, i))
  return Rows.of(units)


@pytest.fixture(scope="module")
def rows():
  return rows_of([5, 17, 2, 31, 8, 8, 23, 3, 11, 29, 2])


def targets(batch):
  """{(token, its target, its weight)} of all that is no padding."""
  here = batch.segments > 0
  return sorted(
    zip(
      batch.tokens[here].tolist(),
      batch.targets[here].tolist(),
      batch.weights[here].tolist(),
      strict=True,
    )
  )


def whole(rows):
  """What `targets` of one pass over all rows must be."""
  out = []
  for i in range(len(rows)):
    ids, trained = rows.row(i)
    out += zip(ids[:-1].tolist(), ids[1:].tolist(), trained[1:].astype(float).tolist(), strict=True)
  return sorted(out)


@pytest.mark.parametrize("pack", [True, False])
def test_tokens_are_counted_without_padding(rows, pack):
  """As an update counts them; a run of so many tokens is as long as that, however empty its rows are."""
  binned = bins(rows, 64, pack)
  found = batches(rows, binned, batch_size=3, accumulate=2, max_length=64, epochs=6)
  read = [int((loaded.batch.segments > 0).sum()) for loaded in found]
  mean = tokens_per_step(rows, binned, 3, 2)
  assert mean == pytest.approx(np.mean(read), rel=1e-12)  # six passes fill whole updates
  config = get_config()
  config.train.duration, config.eval.every, config.optim.warmup = "1k tokens", "500 tokens", "0"
  plan, _ = finetuning._plan(config, steps_per_epoch(binned, 3, 2), mean)
  assert plan.total == round(1000 / mean) and plan.eval_every == round(500 / mean)
  assert abs(plan.total * mean - 1000) < mean


@pytest.mark.parametrize("pack", [True, False])
def test_one_pass_holds_every_target_with_its_weight_once(rows, pack):
  found = [targets(b) for b in fixed_batches(rows, bins(rows, 37, pack), 3, 37)]
  assert sorted(itertools.chain(*found)) == whole(rows)
  assert sum(w for *_, w in whole(rows)) == rows.trained_tokens


def test_documents_of_a_packed_row_are_apart(rows):
  packed = bins(rows, 37, True)
  batch = next(fixed_batches(rows, packed, len(packed), 37))
  assert batch.segments.shape == (len(packed), 37)
  for r, members in enumerate(packed):
    at = 0
    for segment, i in enumerate(members, 1):
      n = rows.lengths[i] - 1
      np.testing.assert_array_equal(batch.segments[r, at : at + n], segment)
      np.testing.assert_array_equal(batch.positions[r, at : at + n], np.arange(n))
      at += n
    assert not any(x[r, at:].any() for x in batch)  # Padding is 0 in every field.
  assert max(map(len, packed)) > 1
  assert [x.dtype for x in batch] == ["int32", "int32", "float32", "int32", "int32"]


def test_the_last_fixed_batch_is_filled_with_padding(rows):
  got = list(fixed_batches(rows, bins(rows, 37, False), 4, 37))
  assert [b.tokens.shape for b in got] == [(4, 37)] * 3
  assert not got[-1].segments[3:].any() and not got[-1].weights[3:].any()


def test_one_width_for_all_batches(rows):
  assert width(rows, bins(rows, 1000, False), 1000) == 64
  assert width(rows, bins(rows, 37, True), 37) == 37
  long = rows_of([3, 130])
  assert width(long, bins(long, 1000, False), 1000) == 192


def take(iterator, n):
  return list(itertools.islice(iterator, n))


def same(a, b):
  return all(x.tobytes() == y.tobytes() for x, y in zip(a.batch, b.batch, strict=True))


def test_without_shuffling_the_order_is_kept(rows):
  alone = bins(rows, 37, False)
  got = take(batches(rows, alone, batch_size=2, accumulate=2, max_length=37, shuffle=False), 5)
  order = [i % len(alone) for i in range(20)]  # The pass's end is filled from the next.
  assert [x.rows.tolist() for x in got] == np.reshape(order, (5, 2, 2)).tolist()
  assert got[0].batch.tokens.shape == (2, 2, 37)
  ids, _ = rows.row(3)
  np.testing.assert_array_equal(got[0].batch.tokens[1, 1, : len(ids) - 1], ids[:-1])


def test_every_pass_has_every_row_once_in_an_order_of_its_own(rows):
  alone = bins(rows, 37, False)
  n = len(alone)
  seen = np.concatenate(
    [x.rows.ravel() for x in take(batches(rows, alone, batch_size=1, max_length=37, seed=3), 3 * n)]
  )
  passes = seen.reshape(3, n).tolist()
  assert all(sorted(p) == list(range(n)) for p in passes)
  assert len({tuple(p) for p in passes}) == 3
  other = take(batches(rows, alone, batch_size=1, max_length=37, seed=4), n)
  assert [int(x.rows[0, 0]) for x in other] != passes[0]


@pytest.mark.parametrize("stop", [0, 1, 4, 9])
def test_resume_is_exact_also_within_a_later_pass(rows, stop):
  packed = bins(rows, 37, True)
  make = lambda: batches(rows, packed, batch_size=2, accumulate=2, max_length=37, seed=5)
  straight, first = make(), make()
  want = take(straight, stop + 6)[stop:]
  take(first, stop)
  state = json.loads(json.dumps(first.get_state()))
  again = make()
  again.set_state(state)
  got = take(again, 6)
  assert all(same(a, b) for a, b in zip(want, got, strict=True))
  again.set_state(state)  # Backwards as well.
  assert same(next(again), want[0])


@pytest.mark.parametrize("processes", [2, 4])
def test_the_global_batch_does_not_depend_on_the_process_count(rows, processes):
  packed = bins(rows, 37, True)
  options = {"batch_size": 4, "accumulate": 3, "max_length": 37, "seed": 1}
  alone = take(batches(rows, packed, **options), 4)
  parts = [
    take(batches(rows, packed, here=here, **options), 4)
    for here in np.arange(4).reshape(processes, -1)
  ]
  for step, want in enumerate(alone):
    for k, field in enumerate(want.batch):
      joined = np.concatenate([part[step].batch[k] for part in parts], axis=1)
      np.testing.assert_array_equal(joined, field)
    for part in parts:
      np.testing.assert_array_equal(part[step].rows, want.rows)


def test_a_batch_can_be_traced_to_its_places(rows):
  packed = bins(rows, 37, True)
  loaded = next(batches(rows, packed, batch_size=2, max_length=37, seed=0))
  members = packed[loaded.rows[0, 0]]
  first, _ = rows.row(members[0])
  assert loaded.batch.tokens[0, 0, 0] == first[0]
  assert rows.place(members[0]) == f"f.jsonl:{members[0] + 1}"


def test_a_number_of_passes_is_rounded_up_to_whole_updates(rows):
  alone = bins(rows, 37, False)
  assert steps_per_epoch(alone, 2, 2) == 11 / 4
  got = list(batches(rows, alone, batch_size=2, accumulate=2, max_length=37, epochs=2))
  assert len(got) == 6
  seen = np.concatenate([x.rows.ravel() for x in got])
  assert sorted(seen[:22].tolist()) == sorted([*range(11)] * 2)


def test_what_cannot_be_batched_is_an_error(rows):
  with pytest.raises(InputError, match=r"f\.jsonl:4: 31 tokens do not fit into 20 places"):
    bins(rows, 20, True)
  with pytest.raises(InputError, match="no rows to train on"):
    batches(rows, [], batch_size=3, max_length=37)


def test_ordered_packing_keeps_the_order(rows):
  flat = [i for b in bins(rows, 37, True, ordered=True) for i in b]
  assert flat == list(range(len(rows)))


def test_the_digest_tells_other_data(rows):
  assert rows.digest() == rows_of([5, 17, 2, 31, 8, 8, 23, 3, 11, 29, 2]).digest()
  assert rows.digest() != rows_of([5, 17, 2, 31, 8, 8, 23, 3, 11, 28, 3]).digest()
