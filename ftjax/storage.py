"""Files: local or remote (gs://, s3:// through fsspec) to read, local to write. Writes are atomic: a
reader never sees half a file."""

import errno
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import fsspec

from ftjax.config import InputError

LOCK = ".lock"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LACKS_RIGHTS = "This user may not do that: give another path, or change its rights."
_MENDS = {
  errno.EACCES: _LACKS_RIGHTS,
  errno.EPERM: _LACKS_RIGHTS,
  errno.EROFS: "It can only be read: give a path on another file system.",
  errno.ENOENT: "Check the path: a folder on the way to it is missing, or a link leads nowhere.",
  errno.ENOTDIR: "A file stands where a folder is needed: move it away, or give another path.",
  errno.EISDIR: "A folder stands where a file is needed: move it away, or give another path.",
  errno.EEXIST: "A file, or a link that leads nowhere, stands there: move it away, or give another path.",
  errno.ENAMETOOLONG: "Give a shorter path.",
  errno.ELOOP: "Its links lead round in a circle: give the path that is meant.",
}


def explain(e: OSError) -> str:
  """What the file system refused, and how to mend it; "" for an error that names no file."""
  if e.errno in FULL:
    return f"The disk is full: {e}. What was whole before is still there; make room and run the same command."
  if e.filename is None:
    return ""
  both = " -> ".join(map(str, filter(None, (e.filename, e.filename2))))
  return f"{both}: {e.strerror}. {_MENDS.get(e.errno, 'Try again, or give another path.')}"


def is_remote(path: str | Path) -> bool:
  """Whether a path names a remote store, as text or as pathlib shortens it ("gs:/bucket")."""
  return "://" in str(path) or bool(re.match(r"[a-z][a-z0-9+.-]+:/", str(path)))


def local(path: str | Path, flag: str) -> Path:
  """Where to write, as the flag (or config key) of this name says, "~" expanded. Raises InputError
  for a path into a bucket, and where nothing can be written there as things are now."""
  if is_remote(path):
    raise InputError(
      f"{flag}={path}: what is written needs a folder of a file system. Mount the bucket (gcsfuse BUCKET /mnt/BUCKET, "
      "or mount-s3) and give the path there, on every host of a run, or write to a disk and copy the folder afterwards."
    )
  path = Path(path).expanduser()
  try:
    _writable(path.absolute())
  except OSError as e:
    raise InputError(f"{flag}={path}: {explain(e) or e}") from e
  return path


def _writable(path: Path) -> None:
  """Raises the OSError that making or replacing a file or folder would meet."""
  with suppress(FileNotFoundError):
    path.lstat()  # ENAMETOOLONG, ELOOP, ENOTDIR
  there = next(p for p in (path, *path.parents) if os.path.lexists(p))
  refused = lambda number: OSError(number, os.strerror(number), str(there))
  if there.is_symlink() and not there.exists():
    raise refused(errno.EEXIST)
  if not there.is_dir() and there != path:
    raise refused(errno.ENOTDIR)
  folder = there if there.is_dir() else there.parent
  if not os.access(folder, os.W_OK | os.X_OK):
    raise refused(errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES)


_EXTRAS = {
  "gs": ("gcsfs", "gcs"),
  "gcs": ("gcsfs", "gcs"),
  "s3": ("s3fs", "s3"),
  "s3a": ("s3fs", "s3"),
}


def filesystem(path: str) -> tuple[Any, str]:
  """(fsspec's file system of a path, the path in it). Raises InputError where its library is missing."""
  try:
    return fsspec.core.url_to_fs(os.path.expanduser(str(path)))
  except (ImportError, ValueError) as e:  # ValueError: a scheme that fsspec does not know
    scheme = str(path).partition("://")[0]
    library, extra = _EXTRAS.get(scheme, ("", ""))
    raise InputError(
      f"{path}: {scheme}:// needs {library}, which is not installed: pip install 'ftjax[{extra}]'."
      if library and isinstance(e, ImportError)
      else f"{path}: {scheme}:// cannot be read: {str(e).rstrip('.')}."
    ) from e


def expand(pattern: str) -> list[str]:
  """The files that a path or glob names, sorted; an InputError when there are none. A file whose own
  name looks like a glob is that file."""
  fs, root = filesystem(pattern)
  scheme = str(pattern).split("://")[0] + "://" if is_remote(pattern) else ""
  if fs.isfile(root):
    paths = [root]
  else:
    magic = any(c in root for c in "*?[")
    paths = sorted(p for p in fs.glob(root) if not fs.isdir(p)) if magic else []
  if not paths:
    raise InputError(
      f"No file at {pattern!r}. Check the path; relative paths start at {os.getcwd()}."
    )
  return [scheme + p.removeprefix(scheme) for p in paths]


def open_file(path: str, mode: str = "rb", **kwargs) -> IO:
  """Opens a local or remote file for reading (".gz", ".zst" and the like are decompressed)."""
  if is_remote(path):
    filesystem(path)  # says which library is missing
  return fsspec.open(str(path), mode, compression="infer", **kwargs).open()


def write_text(path: str | Path, text: str) -> None:
  """Writes a whole text file at once: the old content stays until the new one is complete."""
  with atomic_path(path) as temporary:
    Path(temporary).write_text(text, encoding="utf-8")


def temporary_path(path: Path) -> Path:
  """Where this process puts what is not yet, or no longer, whole at `path` (`sweep` knows the name)."""
  return path.parent / f".{path.name}.{os.getpid()}.partial"


@contextmanager
def atomic_path(path: str | Path):
  """Yields a path beside `path` to write a file or folder at; it takes `path`'s place when the block
  ends well and is removed when it does not, so a full disk or a crash leaves what was there before.

  A file is replaced. A folder with anything in it never is: an InputError is raised before the block
  runs, whoever asks. What may go must be removed by name first (`remove`).
  """
  path = local(path, "output")
  if path.is_dir() and any(path.iterdir()):
    raise InputError(
      f"{path} is there already and not empty; it was left as it is. Give another folder."
    )
  path.parent.mkdir(parents=True, exist_ok=True)
  temporary = temporary_path(path)
  remove(temporary)
  _UNFINISHED.add(temporary)
  try:
    yield temporary
    temporary.replace(path)
  finally:
    remove(temporary)
    _UNFINISHED.discard(temporary)


_UNFINISHED: set[Path] = set()


def discard_unfinished() -> None:
  """Removes what this process is writing: for one that ends without leaving its blocks."""
  for path in tuple(_UNFINISHED):
    with suppress(OSError):
      remove(path)


def sweep(folder: Path, name: str = ".+") -> None:
  """Removes what processes that are gone left half-written in `folder`, at paths whose name matches
  `name`: call it where no other machine writes there. A missing folder is fine."""
  for path in folder.glob(".*.partial"):
    found = re.fullmatch(rf"\.(?:{name})\.(\d+)\.partial", path.name)
    if found and not _alive(int(found[1])):
      remove(path)


def _alive(process: int) -> bool:
  try:
    os.kill(process, 0)
  except (ProcessLookupError, OverflowError):
    return False
  except PermissionError:  # somebody else's
    return True
  return process != os.getpid()


@contextmanager
def held(folder: Path, busy: str) -> Iterator[None]:
  """Keeps other processes of this machine out of `folder` (those that ask): InputError(busy) for whoever
  comes second. A process that dies lets go."""
  with open(folder / LOCK, "a", encoding="utf-8") as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      raise InputError(busy) from None
    yield


def digest(path: str | Path) -> str:
  """SHA-256 of a file's bytes, in hex."""
  with open(path, "rb") as f:
    return hashlib.file_digest(f, "sha256").hexdigest()


def remove(path: Path) -> None:
  """Removes a file or a whole folder; nothing there is fine."""
  if path.is_dir() and not path.is_symlink():
    shutil.rmtree(path)
  elif path.exists() or path.is_symlink():
    path.unlink()
