"""What goes wrong on one process of a run is known to all: they end with its status, and process 0
shows the message, once.

Whoever fails leaves a note in the key-value store that JAX's coordinator keeps; a thread on every
process looks for such notes, since the main thread may wait in a collective for ever. A process that
is killed leaves none: its connections break, which raises an error in the others or, at the latest
after distributed.HEARTBEAT_SECONDS, makes JAX abort them.
"""

import ctypes
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

import jax
from jax._src.distributed import global_state  # Nothing public gives the key-value store.

LOST = 5  # exit status: another process of the run is gone
_NOTES = "ftjax/failed/"
_EVERY = 1.0  # seconds between two looks
_GATHER = 3.0  # seconds that process 0 waits for the notes of the others
_LEAVING = threading.Lock()  # taken for good by the thread that ends the process
_BROKEN = ("gloo", "unavailable", "deadline_exceeded", "connection", "heartbeat", "unhealthy",
           "nccl", "coordination", "socket closed")  # fmt: skip


GONE = (
  "another process of this run has ended or cannot be reached; its own log says why. The same command, on all "
  "processes, goes on from the last checkpoint."
)


def watch() -> Callable[[], None]:
  """Ends this process when another one fails. Returns a function that stops watching."""
  ctypes.CDLL(None).signal(int(signal.SIGABRT), _aborted)
  over = threading.Event()

  def look() -> None:
    while not over.wait(_EVERY):
      if _notes():
        _leave()

  threading.Thread(target=look, name="failures", daemon=True).start()
  return over.set


def fail(message: str, status: int) -> None:
  """Ends this process, and with it all the others, with `status`."""
  note = {"status": status, "message": message, "host": socket.gethostname()}
  try:
    global_state.client.key_value_set(f"{_NOTES}{jax.process_index()}", json.dumps(note))
  except Exception:  # The coordinator is gone, and with it the place for notes.
    _show(f"process {jax.process_index()} of {jax.process_count()}: {message}")
    _end(status)
  _leave()


def describe(error: Exception) -> tuple[str, int]:
  """(message, exit status) for an error that nobody expected."""
  text = str(error).strip().splitlines()[0] if str(error).strip() else ""
  if type(error).__name__ == "JaxRuntimeError" and any(b in str(error).lower() for b in _BROKEN):
    return f"{GONE} ({text})", LOST
  return f"{type(error).__name__}: {text} (the log of this process has more)", 1


@ctypes.CFUNCTYPE(None, ctypes.c_int)
def _aborted(number: int) -> None:
  """What abort() comes to: JAX's client calls it, in a thread of its own, when process 0 is gone. A
  handler of Python's would wait for the main thread, which waits for process 0."""
  del number
  _LEAVING.acquire(timeout=1)
  _show(
    f"process {jax.process_index()} was aborted, as above. Where that speaks of another task: {GONE}"
  )
  _end(LOST)


def _notes() -> dict[int, dict]:
  """{process: its note}."""
  try:
    found = global_state.client.key_value_dir_get(_NOTES)
  except Exception:  # See `watch`: then there is nothing to be found, now or ever.
    return {}
  return {int(key.rpartition("/")[2]): json.loads(value) for key, value in found}


def _leave() -> None:
  """Process 0, which keeps the notes, goes last."""
  _LEAVING.acquire()
  if jax.process_index():
    notes = _notes()
    _end(notes[min(notes)]["status"] if notes else LOST)
  deadline = time.monotonic() + _GATHER
  while time.monotonic() < deadline and len(_notes()) < jax.process_count():
    time.sleep(0.1)
  notes = _notes()
  first = {n["message"]: i for i, n in reversed(notes.items())}
  everywhere = len(first) == 1 and len(notes) == jax.process_count()
  lost = [m for m, i in first.items() if notes[i]["status"] == LOST]
  for message in [m for m in first if m not in lost] or lost[:1]:
    i = first[message]
    where = "" if everywhere else f"process {i} of {jax.process_count()} ({notes[i]['host']}): "
    _show(where + message)
  causes = [n["status"] for _, n in sorted(notes.items()) if n["status"] != LOST]
  time.sleep(_EVERY)  # The others read the notes meanwhile.
  _end(causes[0] if causes else LOST)


def _show(message: str) -> None:
  os.write(2, f"error: {message}\n".encode())


def _end(status: int) -> None:
  """Without waiting for anybody: the others may hang."""
  sys.stdout.flush()
  os._exit(status)
