"""How a script ends: its exit status, one message, and what Ctrl-C and SIGTERM do at any moment.

Exit status: 0 done; 2 bad config or input, said in one message; 3 stopped by a signal with a
checkpoint saved; 4 diverged; 5 another process of the same run is gone; 130 and 143: SIGINT and SIGTERM
before there was anything to go on from.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable

from ftjax import storage
from ftjax.config import InputError

BAD_INPUT, STOPPED, DIVERGED = 2, 3, 4
SIGNALS = signal.SIGINT, signal.SIGTERM


class Failure(Exception):
  """A run that ends with a message and a status of its own."""

  def __init__(self, message: str, status: int):
    super().__init__(message)
    self.status = status


def told(e: Exception) -> tuple[str, int] | None:
  """(message, exit status) of an error that a user can mend; None of a fault of the program."""
  match e:
    case Failure():
      return str(e), e.status
    case InputError():
      return str(e), BAD_INPUT
    case OSError() if text := storage.explain(e):
      return text, BAD_INPUT
  return None


def fail(message: str, status: int = BAD_INPUT) -> int:
  """Prints one message to stderr, once where there are several processes; returns the exit status."""
  if _process() in (None, 0):
    print(f"error: {message}", file=sys.stderr, flush=True)
  return status


def _process() -> int | None:
  """Which of several processes this is; None where it is alone, or jax is not there or just being
  imported."""
  distributed = getattr(sys.modules.get("jax"), "distributed", None)
  if distributed is None or not distributed.is_initialized():
    return None
  return sys.modules["jax"].process_index()


def end_by_signals(saved: Callable[[], str]) -> None:
  """From here on SIGINT and SIGTERM end the process with one line; a second one ends it whatever
  hangs. The training loop and preparation answer them in their own way while they run.

  saved: fn() -> what a run can go on from, as in "stopped; step 20 is saved.", or "" for nothing. It can
  be called in the middle of anything, an import too.

  The process ends here and now, with what is half-written removed. Raising KeyboardInterrupt instead
  would unwind through XLA's code, which can swallow it, and then take the interpreter down while
  XLA's threads still call it: a segmentation fault in two of three tries.
  """

  def end(number, frame):
    del frame
    let_go()
    found = ""
    with contextlib.suppress(Exception):  # It may be asked before flags are read.
      found = saved()
    message = f"{signal.Signals(number).name}: {found or 'stopped before anything was saved.'}"
    _end(message, STOPPED if found else 128 + number)

  for number in SIGNALS:
    signal.signal(number, end)
  signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def let_go() -> None:
  """Gives SIGINT and SIGTERM their first meaning: the process is gone, without a traceback."""
  for number in SIGNALS:
    signal.signal(number, signal.SIG_DFL)


def _end(message: str, status: int) -> None:
  storage.discard_unfinished()
  if _process() is not None:
    from ftjax.parallel import failures

    failures.fail(message, status)  # and all the others
  show_cursor = "\x1b[?25h\n" if os.isatty(2) else ""  # A live bar hides it.
  os.write(2, f"{show_cursor}error: {message}\n".encode())
  os._exit(status)
