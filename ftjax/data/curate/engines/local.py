"""The default engine: processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from ftjax.config import InputError

Call = tuple  # (function, *arguments), which can be pickled


def run(calls: Iterator[Call], workers: int, done: Callable[[int], None]) -> None:
  """Makes every call; `done` is told what each returned. With one worker, in this process.

  Calls are taken as workers come free, so that few wait in memory. Processes are spawned, never
  forked: the parent may hold threads and accelerators. They end with the parent, however it ends.
  """
  if workers == 1:
    for function, *arguments in calls:
      done(function(*arguments))
    return
  context = multiprocessing.get_context("spawn")
  pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)
  waiting: deque[Future] = deque()
  try:
    for call in calls:
      waiting.append(pool.submit(*call))
      while len(waiting) > 2 * workers or (waiting and waiting[0].done()):
        done(waiting.popleft().result())
    while waiting:
      done(waiting.popleft().result())
  except BrokenProcessPool as e:
    raise InputError(
      "A worker process was ended from outside, most likely for want of memory. Lower run.workers or "
      "run.memory and run the same command: it goes on from its finished chunks."
    ) from e
  except BaseException:
    for process in list(getattr(pool, "_processes", None) or {}):
      with _gone():
        os.kill(process, signal.SIGTERM)
    raise
  finally:
    pool.shutdown(wait=True, cancel_futures=True)


class _gone:
  """Passes over a process that has ended already."""

  def __enter__(self):
    return self

  def __exit__(self, kind, *_):
    return kind is not None and issubclass(kind, ProcessLookupError)


def _begin() -> None:
  """In a worker: the terminal's Ctrl-C is the parent's to answer, and a parent that is killed takes
  its workers with it."""
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  signal.signal(signal.SIGTERM, signal.SIG_DFL)
  parent = multiprocessing.parent_process()

  def watch():
    parent.join()
    os._exit(1)

  if parent is not None:
    threading.Thread(target=watch, daemon=True).start()
