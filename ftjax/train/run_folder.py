"""The folder of one run: it belongs to one config."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
from ml_collections import ConfigDict

from ftjax import storage, tree
from ftjax.config import InputError, flat

CONFIG, CHECKPOINTS, BEST, FINAL = "config.json", "checkpoints", "best", "final"


def claim(workdir: str | Path, config: ConfigDict) -> Path:
  """Makes the folder and writes the resolved config, or checks that the run in it has the same one.

  Raises InputError, with the difference, for another config, and for a folder that holds something
  else.
  """
  workdir = Path(workdir)
  resolved = json.loads(json.dumps(flat(config)))
  path = workdir / CONFIG
  if path.is_file():
    if difference := tree.diff(resolved, read(workdir), ("this config", str(path))):
      raise InputError(
        f"{workdir} belongs to a run with another config:\n{difference}\n"
        "Give another --workdir, or the same config to go on with that run. Nothing was changed."
      )
    return workdir
  if workdir.exists() and (not workdir.is_dir() or any(workdir.iterdir())):
    raise InputError(
      f"{workdir} is there already and is not a run of ftjax. Give another --workdir."
    )
  workdir.mkdir(parents=True, exist_ok=True)
  storage.write_text(path, json.dumps(resolved, indent=2) + "\n")
  return workdir


@contextmanager
def held(workdir: Path) -> Iterator[None]:
  """Keeps other processes of this machine from training in the folder at the same time: an
  InputError for whoever comes second. A process that dies lets go."""
  if jax.process_index():
    yield  # the first process of a run holds it for all
    return
  busy = f"Another process is training in {workdir}. Wait for its end, or give another --workdir."
  with storage.held(workdir, busy):
    yield


def read(workdir: str | Path) -> dict:
  """The resolved config of a run, flat: {"optim.learning_rate": ...}."""
  path = Path(workdir) / CONFIG
  if not path.is_file():
    raise InputError(f"{workdir} is not a run of ftjax: it has no {CONFIG}.")
  return json.loads(path.read_text(encoding="utf-8"))
