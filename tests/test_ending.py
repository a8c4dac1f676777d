"""How scripts end: statuses, one message, and signals at any moment."""

import errno
import os
import signal

import pytest

from ftjax import cli, ending, storage
from ftjax.config import InputError


class Ended(BaseException):
  """os._exit, which here must not end the tests."""


@pytest.fixture
def ended(monkeypatch):
  """fn(a signal, what is saved) -> (exit status, what was written to stderr)."""
  old = {number: signal.getsignal(number) for number in ending.SIGNALS}
  written = []

  def exits(status):
    raise Ended(status)

  monkeypatch.setattr(os, "_exit", exits)
  monkeypatch.setattr(os, "write", lambda fd, text: written.append((fd, text.decode())))

  def ended(number, saved):
    ending.end_by_signals(saved)
    with pytest.raises(Ended) as found:
      signal.raise_signal(number)
    assert all(signal.getsignal(n) == signal.SIG_DFL for n in ending.SIGNALS), "a second one waits"
    ((fd, text),) = written
    assert fd == 2
    return found.value.args[0], text

  yield ended
  for number, handler in old.items():
    signal.signal(number, handler)


def test_a_signal_is_one_line_and_says_what_is_saved(ended):
  nothing = "stopped before anything was saved."
  assert ended(signal.SIGINT, str) == (130, f"error: SIGINT: {nothing}\n")


def test_a_signal_with_something_saved_is_status_3(ended):
  status, text = ended(signal.SIGTERM, lambda: "stopped; step 4 is saved.")
  assert (status, text) == (3, "error: SIGTERM: stopped; step 4 is saved.\n")


def test_a_signal_in_the_middle_of_anything_ends_all_the_same(ended):
  """Flags may not be read yet, or a module half imported."""
  assert ended(signal.SIGTERM, lambda: 1 / 0)[0] == 143


def test_a_signal_leaves_nothing_half_written(ended, tmp_path):
  with pytest.raises(Ended), storage.atomic_path(tmp_path / "model") as temporary:
    temporary.mkdir()
    (temporary / "weights").write_text("half")
    ended(signal.SIGINT, str)
    assert not list(tmp_path.iterdir())
    raise Ended


def test_errors_that_users_can_mend_are_told(tmp_path):
  with pytest.raises(OSError) as found:
    (tmp_path / ("n" * 300)).mkdir()
  assert ending.told(InputError("x")) == ("x", 2)
  assert ending.told(ending.Failure("y", 4)) == ("y", 4)
  text, status = ending.told(found.value)
  assert status == 2 and "shorter path" in text
  assert "make room" in ending.told(OSError(errno.ENOSPC, "No space left"))[0]
  for fault in (KeyError("x"), ValueError("x"), OSError("something of a library's own")):
    assert ending.told(fault) is None


def test_only_a_script_keeps_signals_back_while_it_is_imported(monkeypatch, root):
  import sys

  script = str(root / "scripts" / "train.py")
  for argv, command, here in (
    ([script], ["python", script], True),
    ([script], ["python", "-c", "from multiprocessing.spawn import spawn_main"], False),
    (["pytest"], ["pytest"], False),
  ):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", command)
    assert cli._began_here() == here
  assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(ending.SIGNALS)
