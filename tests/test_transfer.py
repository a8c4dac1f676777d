"""How far a long read is: a bar on a terminal, one line elsewhere, nothing for what is quick."""

import io

import pytest
from rich.console import Console

from ftjax import log


@pytest.fixture
def clock(monkeypatch):
  """fn(seconds): moves the time on."""
  now = [100.0]
  monkeypatch.setattr(log.time, "monotonic", lambda: now[0])
  return lambda seconds: now.__setitem__(0, now[0] + seconds)


def run(clock, seconds: float, terminal: bool) -> str:
  """What is printed while 4 GB are read in so many seconds."""
  out = io.StringIO()
  console = Console(file=out, force_terminal=terminal, width=120)
  with log.Transfer("reading llama", 4 * 10**9, console) as transfer:
    for _ in range(4):
      clock(seconds / 4)
      transfer.add(10**9)
  return out.getvalue()


def test_a_bar_on_a_terminal_from_the_second_second_on(clock):
  assert run(clock, 0.8, terminal=True) == ""
  found = run(clock, 8.0, terminal=True)
  assert "reading llama" in found and "4.0/4.0 GB" in found


def test_one_line_elsewhere(clock):
  assert run(clock, 0.8, terminal=False) == ""
  assert run(clock, 8.0, terminal=False) == "reading llama: 4.00 GB in 8.0 s\n"


def test_other_processes_and_failures_are_silent(clock, monkeypatch):
  console = Console(file=io.StringIO())
  with pytest.raises(OSError), log.Transfer("reading", 10, console):
    clock(5)
    raise OSError
  monkeypatch.setattr(log.jax, "process_index", lambda: 1)
  assert run(clock, 8.0, terminal=True) == run(clock, 8.0, terminal=False) == ""
  assert console.file.getvalue() == ""
