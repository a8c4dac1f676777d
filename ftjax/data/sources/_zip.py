"""Zip archives: which of their members are read, and what is told of the others."""

from __future__ import annotations

import functools
import io
import os
import re
import zipfile
from collections import Counter
from typing import IO

from ftjax import storage
from ftjax.config import InputError
from ftjax.data.sources._reading import CHUNK, DEFAULT, MEMBER, Reading, Unpacked, bound_of
from ftjax.sizes import told

MEMBERS = 20_000  # of an archive that are read


def parts(archive: str) -> list[str]:
  """The members to read, as "archive.zip::member", sorted. Before them the archive itself, where there
  is something to tell of it (`problem_of`): it cannot be read, or not whole."""
  names, problem = _listed(archive)
  return [archive] * bool(problem) + [f"{archive}{MEMBER}{name}" for name in names]


def problem_of(archive: str) -> str:
  """What keeps an archive, or some of its members, from being read; "" for nothing."""
  return _listed(archive)[1]


def sizes(archive: str) -> dict[str, int]:
  """{member: its bytes unpacked}, as the archive has it."""
  fs, bare = storage.filesystem(archive)
  return {
    i.filename: i.file_size for i in _opened(archive, str(fs.info(bare)), os.getpid()).infolist()
  }


def _listed(archive: str) -> tuple[list[str], str]:
  try:
    fs, bare = storage.filesystem(archive)
    state = fs.info(bare)
    infos = _opened(archive, str(state), os.getpid()).infolist()
  except _BROKEN as e:
    return [], f"{archive}: not a readable zip archive: {e}."
  infos = [i for i in infos if not i.is_dir() and not hidden("/" + i.filename)]
  if len(infos) > MEMBERS:
    return [], (
      f"{archive}: the archive has {len(infos):,} members; at most {MEMBERS:,} are read. Unpack it, and name the folder."
    )
  total, bound = sum(i.file_size for i in infos), bound_of(state["size"], DEFAULT)
  if total > bound:
    return [], (
      f"{archive}: its members expand to {told(total)}, far beyond its own size; it was left. If they are what they "
      "should be, unpack it, and name the folder."
    )
  counts = Counter(i.filename for i in infos)
  again = sorted(name for name, n in counts.items() if n > 1)
  if again:
    return sorted(counts), (
      f"{archive}: {len(again):,} of its names stand for several members ({', '.join(again[:3])}); the last of each is read."
    )
  return sorted(counts), ""


def hidden(path: str) -> bool:
  """Whether a file is passed over: one of a name, or in a folder, that begins with a dot."""
  return re.search(r"/\.(?!\.?/)|/__MACOSX/", path) is not None


def opened(archive: str, member: str, how: Reading) -> IO[bytes]:
  """A member, for reading its bytes within bounds. Raises InputError naming it."""
  place = f"{archive}{MEMBER}{member}"
  try:
    fs, bare = storage.filesystem(archive)
    packed = _opened(archive, str(fs.info(bare)), os.getpid())
    info = packed.getinfo(member)
    if info.flag_bits & 1:
      raise InputError(f"{place}: the member is encrypted. Unpack the archive with its password.")
    raw = Unpacked(packed.open(info), place, bound_of(info.compress_size, how))
  except InputError:
    raise
  except (*_BROKEN, KeyError) as e:
    raise InputError(f"{place}: not a readable zip archive: {e}.") from e
  return io.BufferedReader(raw, CHUNK)


# ValueError: names in another encoding than the archive says. OSError, OverflowError: places outside of it.
_BROKEN = (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError, OSError)


@functools.lru_cache(maxsize=2)
def _opened(path: str, state: str, process: int) -> zipfile.ZipFile:
  """An archive, kept open, as its directory is read whole each time. state: changes with the file.
  process: a forked one must not move this one's place in the file."""
  del state, process
  fs, bare = storage.filesystem(path)
  return zipfile.ZipFile(fs.open(bare, "rb") if storage.is_remote(path) else path)
