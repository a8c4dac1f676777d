"""Work in a process of its own, which may crash without taking anything with it."""

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ftjax.config import InputError


class Crashed(InputError):
  """A process died of what it was given."""


def call(fn: Callable[..., Any], *args: Any, crashed: str) -> Any:
  """fn(*args) in a fresh process; fn is a module's own function, and all of it can be pickled.

  What fn raises is raised here. Raises Crashed(crashed) where the process dies. (Not by
  multiprocessing, whose processes import the caller's script first.)
  """
  with tempfile.TemporaryDirectory() as folder:
    given, result = Path(folder) / "given", Path(folder) / "result"
    given.write_bytes(pickle.dumps((fn, args)))
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "ftjax.apart", str(given), str(result)]
    subprocess.run(command, env=env, check=False)
    if not result.is_file():
      raise Crashed(crashed)
    value, error = pickle.loads(result.read_bytes())
  if error is not None:
    raise error
  return value


def _main(given: str, result: str) -> None:
  fn, args = pickle.loads(Path(given).read_bytes())
  try:
    found = fn(*args), None
  except Exception as e:  # noqa: BLE001 - raised again by whoever called
    found = None, e
  Path(result).write_bytes(pickle.dumps(found))


if __name__ == "__main__":
  _main(*sys.argv[1:])
