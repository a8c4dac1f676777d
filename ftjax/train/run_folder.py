"""The folder of one run: it belongs to one config."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
from ml_collections import ConfigDict

from ftjax import storage, tree
from ftjax.config import InputError, flat
from ftjax.parallel import distributed

CONFIG, CHECKPOINTS, BEST, FINAL = "config.json", "checkpoints", "best", "final"
SEEN_SECONDS = 30.0


def check_local(workdir: str | Path) -> None:
  """Raises InputError for a path into a bucket."""
  if storage.is_remote(workdir):
    raise InputError(
      f"--workdir={workdir}: a run needs a folder of a file system. Mount the bucket (gcsfuse BUCKET /mnt/BUCKET, on "
      "every host) and give the path there, as docs/tpu.md has it."
    )


def claim(workdir: str | Path, config: ConfigDict) -> Path:
  """Makes the folder and writes the resolved config, or checks that the run in it has the same one.

  Of several processes the first one makes it, and the others must see it. Raises InputError, with the
  difference, for another config, for a folder that holds something else, and for one that not all
  processes share.
  """
  if jax.process_index():
    distributed.barrier("a run's folder")
    return _shared(Path(workdir), config)
  workdir = _claimed(Path(workdir), config)
  distributed.barrier("a run's folder")
  return workdir


def _shared(workdir: Path, config: ConfigDict) -> Path:
  """The folder that process 0 has made. A network's file system may show it a little later."""
  deadline = time.monotonic() + SEEN_SECONDS
  while not (workdir / CONFIG).is_file():
    if time.monotonic() > deadline:
      raise InputError(
        f"--workdir={workdir}: process 0 has made this folder, and process {jax.process_index()} does not see it. "
        "All processes of a run write there: put it on a file system that they share (NFS, Filestore, a bucket "
        "mounted with gcsfuse)."
      )
    time.sleep(0.2)
  return _claimed(workdir, config)


def _claimed(workdir: Path, config: ConfigDict) -> Path:
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
    storage.sweep(workdir)
    yield


def read(workdir: str | Path) -> dict:
  """The resolved config of a run, flat: {"optim.learning_rate": ...}."""
  path = Path(workdir) / CONFIG
  if not path.is_file():
    raise InputError(f"{workdir} is not a run of ftjax: it has no {CONFIG}.")
  return json.loads(path.read_text(encoding="utf-8"))
