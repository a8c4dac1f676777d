"""Scripts run in processes of their own that start in milliseconds: a server imports ftjax once and
forks, so that hundreds of faults can be tried."""

import contextlib
import hashlib
import json
import multiprocessing
import os
import resource
import runpy
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
CLOCKS = ("second", "time", "mfu", "memory")  # in the names of numbers that no two runs share


class Ended(NamedTuple):
  """status: the exit status; -9 after a kill; None where the program outlived its time."""

  status: int | None
  text: str

  @property
  def well(self) -> bool:
    """Whether it ended as a program may: done, or with a message about its input."""
    return self.status in (0, 2) and "Traceback" not in self.text


class Programs:
  """start(script, flags) -> a process; run: the same, to its end."""

  def __init__(self, logs: Path):
    self._logs, self._started = logs, 0
    os.environ["PYTHONPATH"] = str(ROOT)
    self._context = multiprocessing.get_context("forkserver")
    self._context.set_forkserver_preload(["tests.faults.imported"])

  def start(self, script: str, flags, memory: int = 0):
    self._started += 1
    log = self._logs / f"{self._started}.log"
    process = self._context.Process(target=_main, args=(script, list(flags), str(log), memory))
    process.start()
    return process, log

  def run(self, script: str, flags, seconds: float = 120, memory: int = 0) -> Ended:
    return self.end(*self.start(script, flags, memory), seconds)

  @staticmethod
  def end(process, log: Path, seconds: float = 120) -> Ended:
    process.join(seconds)
    status = process.exitcode
    if status is None:
      process.kill()
      process.join()
    return Ended(status, log.read_text(errors="replace") if log.is_file() else "")


def _main(script: str, flags: list[str], log: str, memory: int) -> None:
  file = os.open(log, os.O_WRONLY | os.O_CREAT)
  for fd in (1, 2):
    os.dup2(file, fd)
  if memory:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
  signal.signal(signal.SIGINT, signal.default_int_handler)
  os.chdir(ROOT)
  sys.argv = [script, *flags]
  status = 1
  try:
    runpy.run_path(str(ROOT / script), run_name="__main__")
    status = 0
  except SystemExit as e:
    status = e.code if isinstance(e.code, int) else 0
  except BaseException:
    traceback.print_exc()
  with contextlib.suppress(OSError):
    sys.stdout.flush()
    sys.stderr.flush()
  os._exit(status)


def digests(folder: Path) -> dict[str, str]:
  """{file: hash} of everything in a folder; empty where there is none."""
  files = sorted(p for p in folder.rglob("*") if p.is_file())
  return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def numbers(run: Path) -> list[dict]:
  """The lines of metrics.jsonl without what depends on the clock."""
  lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
  return [{k: v for k, v in line.items() if not any(c in k for c in CLOCKS)} for line in lines]


def after(moment: Path | float, process, wait: float = 0.0) -> bool:
  """Whether the process still runs at a moment: when a path appears, or after so many seconds."""
  deadline = time.monotonic() + (120 if isinstance(moment, Path) else moment)
  while time.monotonic() < deadline:
    if process.exitcode is not None:
      return False
    if isinstance(moment, Path) and moment.exists():
      time.sleep(wait)
      break
    time.sleep(0.002)
  return process.exitcode is None
