"""Batches on the device before they are asked for."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any


class Prefetch:
  """An iterator of (batch, rows) that a thread keeps `ahead` of, each batch already put on the
  device.

  get_state() belongs to the batch handed out last, however far ahead the thread is, so that resume
  stays exact. What the wrapped iterator raises is raised here in its place.
  """

  def __init__(self, batches: Iterator, put: Callable[[Any], Any], ahead: int = 2):
    """batches: has get_state() and set_state(). put: a host batch to device arrays."""
    self._batches, self._put, self._ahead = batches, put, ahead
    self._state = batches.get_state()
    self._thread: threading.Thread | None = None

  def __iter__(self) -> "Prefetch":
    return self

  def __next__(self):
    if self._thread is None:
      self._start()
    item, self._state, error = self._queue.get()
    if error is not None:
      self._thread = None
      raise error
    return item

  def get_state(self) -> Any:
    """The wrapped iterator's state after the batch that was handed out last."""
    return self._state

  def set_state(self, state: Any) -> None:
    """Goes on from a state; what was fetched ahead is dropped."""
    self.close()
    self._batches.set_state(state)
    self._state = state

  def close(self) -> None:
    """Ends the thread."""
    if self._thread is not None:
      self._closing.set()
      while self._thread.is_alive():
        with self._queue.mutex:
          self._queue.queue.clear()
          self._queue.not_full.notify()
        self._thread.join(0.05)
      self._thread = None

  def _start(self) -> None:
    self._queue: queue.Queue = queue.Queue(self._ahead)
    self._closing = threading.Event()
    args = self._batches, self._put, self._queue, self._closing, self._state
    self._thread = threading.Thread(target=_fetch, args=args, daemon=True, name="prefetch")
    self._thread.start()


def _fetch(batches, put, into: queue.Queue, closing: threading.Event, state) -> None:
  while not closing.is_set():
    try:
      batch, rows = next(batches)
      state = batches.get_state()
      item, error = (put(batch), rows), None
    except BaseException as e:  # StopIteration too: whoever waits has to hear of it.
      item, error = None, e
    into.put((item, state, error))
    if error is not None:
      return
