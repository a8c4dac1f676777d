"""Fetching ahead changes neither the order nor what a resume goes on from."""

import threading

import pytest

from ftjax.train.prefetch import Prefetch


class Counting:
  """0, 1, ... up to 6, then an error or the end."""

  def __init__(self, error=None):
    self.at, self.error = 0, error

  def __next__(self):
    if self.at == 7:
      raise self.error or StopIteration
    self.at += 1
    return self.at - 1, f"rows of {self.at - 1}"

  def get_state(self):
    return {"at": self.at}

  def set_state(self, state):
    self.at = state["at"]


def test_batches_come_in_order_and_the_state_is_that_of_the_one_handed_out():
  source = Counting()
  ahead = Prefetch(source, lambda batch: batch * 10)
  assert ahead.get_state() == {"at": 0}
  for i in range(3):
    assert next(ahead) == (i * 10, f"rows of {i}")
    assert ahead.get_state() == {"at": i + 1}
  while source.at < 5:  # The thread is further than we are.
    pass
  resumed = Prefetch(Counting(), lambda batch: batch * 10)
  resumed.set_state(ahead.get_state())
  assert [x for x, _ in resumed] == [x for x, _ in ahead] == [30, 40, 50, 60]


def test_going_back_drops_what_was_fetched():
  ahead = Prefetch(Counting(), lambda batch: batch)
  assert [next(ahead)[0] for _ in range(4)] == [0, 1, 2, 3]
  ahead.set_state({"at": 1})
  assert ahead.get_state() == {"at": 1}
  assert next(ahead)[0] == 1
  ahead.close()


def test_an_error_comes_where_its_batch_would_have():
  ahead = Prefetch(Counting(OSError("disk")), lambda batch: batch)
  assert [next(ahead)[0] for _ in range(7)] == list(range(7))
  with pytest.raises(OSError, match="disk"):
    next(ahead)


def test_closing_ends_the_thread_that_waits_for_room():
  ahead = Prefetch(Counting(), lambda batch: batch, ahead=1)
  next(ahead)
  ahead.close()
  assert not [t for t in threading.enumerate() if t.name == "prefetch"]
