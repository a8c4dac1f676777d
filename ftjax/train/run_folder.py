"""The folder of one run: it belongs to one config, from its first update on."""

import contextlib
import hashlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import jax
from ml_collections import ConfigDict

from ftjax import log, storage, tree
from ftjax.config import InputError, flat
from ftjax.parallel import distributed
from ftjax.train import inputs

CONFIG, CHECKPOINTS, BEST, FINAL = "config.json", "checkpoints", "best", "final"
UNFINISHED = "final.unfinished"  # of final/, until all else is there
SEEN_SECONDS = 30.0


def begun(workdir: Path, config: ConfigDict) -> bool:
  """Whether the folder holds a run of this config that has something to lose: an update, a checkpoint
  or a model. Nothing is written.

  A run that was refused or stopped before its first update leaves its folder to whichever config
  comes next. Raises InputError, with the difference, for a run of another config, and for a folder
  that holds something else. All processes of a run must call this; what process 0 finds counts.
  """
  text = json.dumps(_resolved(config), sort_keys=True)
  digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
  distributed.alike(digest, "The config's settings", "start all of them with the same flags")
  found = _begun(workdir, config) if jax.process_index() == 0 else False
  return bool(distributed.from_first(int(found)))


def _begun(workdir: Path, config: ConfigDict) -> bool:
  if not workdir.exists():
    return False
  if not (workdir / CONFIG).is_file() or "model.source" not in read(workdir):
    if not workdir.is_dir() or _content(workdir):
      raise InputError(
        f"{workdir} is there already and is not a run of ftjax. Give another --workdir."
      )
    return False
  if not _trained(workdir):
    return False
  _same(workdir, config)
  return True


def _content(workdir: Path) -> list[str]:
  """What is in a folder beside a lock and what a killed process was writing."""
  passing = lambda name: name == storage.LOCK or name.startswith(".") and name.endswith(".partial")
  return [p.name for p in workdir.iterdir() if not passing(p.name)]


def _same(workdir: Path, config: ConfigDict) -> None:
  """Raises InputError, with the difference, where the folder is another config's."""
  path = workdir / CONFIG
  if difference := tree.diff(_resolved(config), read(workdir), ("this config", str(path))):
    raise InputError(
      f"{workdir} belongs to a run with another config:\n{difference}\n"
      "Give another --workdir, or the same config to go on with that run. Nothing was changed."
    )


def _trained(workdir: Path) -> bool:
  if saved(workdir) or any((workdir / name).exists() for name in (BEST, FINAL)):
    return True
  return any(m["step"] > 0 for m in log.read(workdir / log.METRICS))


def saved(workdir: str | Path) -> list[int]:
  """Steps of which there is a checkpoint, ascending."""
  folder = Path(workdir) / CHECKPOINTS
  names = [p.name for p in folder.iterdir()] if folder.is_dir() else []
  return sorted(int(name) for name in names if name.isdecimal())


def claim(workdir: Path, config: ConfigDict, found: inputs.Record) -> None:
  """Makes the folder this config's, with the record of its inputs. Models that a process that died left
  half-written go.

  Process 0 writes, and the others must see it: raises InputError where they do not share the folder.
  """
  if jax.process_index() == 0:
    storage.write_text(workdir / CONFIG, json.dumps(_resolved(config), indent=2) + "\n")
    inputs.write(workdir, found)
    storage.sweep(workdir, rf"{BEST}|{re.escape(UNFINISHED)}")
  distributed.barrier("a run's folder")
  if jax.process_index():
    _seen(workdir)


def _seen(workdir: Path) -> None:
  """Waits for what process 0 has made, which a network's file system may show a little later."""
  deadline = time.monotonic() + SEEN_SECONDS
  while not (workdir / CONFIG).is_file():
    if time.monotonic() > deadline:
      raise InputError(
        f"--workdir={workdir}: process 0 has made this folder, and process {jax.process_index()} does not see it. "
        "All processes of a run write there: put it on a file system that they share (NFS, Filestore, a bucket "
        "mounted with gcsfuse)."
      )
    time.sleep(0.2)


@contextlib.contextmanager
def held(workdir: Path) -> Iterator[None]:
  """Makes the folder and keeps other processes of this machine from training in it at the same time:
  an InputError for whoever comes second. A process that dies lets go, and a folder with nothing in
  it by then goes too."""
  if jax.process_index():
    yield  # the first process of a run holds it for all
    return
  busy = f"Another process is training in {workdir}. Wait for its end, or give another --workdir."
  workdir.mkdir(parents=True, exist_ok=True)
  with storage.held(workdir, busy):
    try:
      yield
    finally:
      if not _content(workdir):
        storage.remove(workdir)


def read(workdir: str | Path) -> dict:
  """The resolved config of a run, flat: {"optim.learning_rate": ...}."""
  path = Path(workdir) / CONFIG
  if not path.is_file():
    raise InputError(f"{workdir} is not a run of ftjax: it has no {CONFIG}.")
  try:
    found = json.loads(path.read_bytes())
  except (ValueError, RecursionError) as e:  # no UTF-8, no JSON, endless brackets
    raise InputError(f"{path} cannot be read ({e}). {_MEND}") from e
  if not isinstance(found, dict):
    raise InputError(f"{path} holds a {type(found).__name__}, not settings by name. {_MEND}")
  return found


_MEND = "Restore it. (That of a run is written again by the run's command with a new --workdir: copy it from there.)"


def _resolved(config: ConfigDict) -> dict:
  return json.loads(json.dumps(flat(config)))
