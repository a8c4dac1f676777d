"""The output folder of a preparation: what ftjax made in it, and what is somebody else's.

It is a user's folder: articles may lie beside versions. Nothing goes from it but unfinished work, and
that only from a folder that bears ftjax's mark.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from ftjax import storage
from ftjax.config import InputError
from ftjax.data.versions.manifest import LATEST, MANIFEST, SHORT, VERSIONS

WORK, INPUTS = "work", "inputs"
MARK = ".ftjax"
_SAYS = "ftjax made this folder for unfinished work, and removes it when the work is done.\n"


@contextlib.contextmanager
def held(output: Path) -> Iterator[None]:
  """Makes `output` and keeps other processes of this machine from preparing in it.

  What a process that died left half-written goes. Raises InputError, before anything is changed,
  where a name that ftjax writes at is taken by something that it did not make.
  """
  if output.exists() and not output.is_dir():
    raise InputError(f"output={str(output)!r} is a file. Give a folder.")
  _check_names(output)
  output.mkdir(parents=True, exist_ok=True)
  busy = (
    f"Another process is preparing a dataset in {output}. Wait for its end, or give another output."
  )
  with storage.held(output, busy):
    storage.sweep(output, f"{LATEST}|{WORK}")
    storage.sweep(output / VERSIONS, rf"[0-9a-f]{{{SHORT}}}")
    for folder in sorted((output / VERSIONS).glob(f"*/{MANIFEST}")):
      storage.sweep(folder.parent)
    storage.sweep(output / INPUTS, "[0-9a-f]{64}")
    yield


def _check_names(output: Path) -> None:
  mend = "It was left as it is: move it, or give another output."
  work, latest = output / WORK, output / LATEST
  if work.is_symlink() or (work.exists() and not (work / MARK).is_file()):
    raise InputError(
      f"{work} is there and was not made by ftjax, which keeps unfinished work at this name and removes it "
      f"when the work is done. {mend}"
    )
  if latest.exists() and not _names_a_version(latest):
    raise InputError(
      f"{latest} is there and names no version of a dataset, for which ftjax has this name. {mend}"
    )


def _names_a_version(latest: Path) -> bool:
  if not latest.is_file() or latest.stat().st_size > 100:
    return False
  return re.fullmatch(rb"[0-9a-f]{%d}\s*" % SHORT, latest.read_bytes()) is not None


def work(output: Path, key: str) -> Path:
  """The folder of unfinished work under `key`, in a folder with ftjax's mark."""
  if not (output / WORK / MARK).is_file():
    storage.write_text(output / WORK / MARK, _SAYS)
  return output / WORK / key


def remove_version(folder: Path, files: dict) -> None:
  """Removes the folder of a damaged version. files: of its manifest; InputError where it holds others."""
  own = {MANIFEST, *files}
  found = (p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir())
  if other := sorted({p.relative_to(folder).as_posix() for p in found} - own):
    raise InputError(
      f"{folder} is damaged, and holds what ftjax did not write: {', '.join(other[:3])}. It was left as it "
      "is: move those files, then build the version again."
    )
  _remove_whole(folder)


def remove_work(output: Path) -> None:
  """Removes the unfinished work, mark and all."""
  _remove_whole(output / WORK)


def _remove_whole(folder: Path) -> None:
  """A process that is killed here leaves no half of a folder under its name."""
  gone = storage.temporary_path(folder)
  folder.rename(gone)
  storage.remove(gone)
