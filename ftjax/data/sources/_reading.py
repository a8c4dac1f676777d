"""Reading within bounds: a line, a document or a packed file that is too large is refused before
it is ever held whole."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from ftjax.config import InputError
from ftjax.data import encoding
from ftjax.data.record import Bad
from ftjax.sizes import told
from ftjax.storage import filesystem, open_file

MAX_LINE = 50_000_000
CHUNK = 1 << 20
_FREE = 64_000_000  # bytes that any packed file may expand to, however small it is
PACKED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".xz": "xz"}
COLUMNS = 10_000  # of a table or an object
MEMBER = "::"  # "archive.zip::member"


@dataclass(frozen=True)
class Reading:
  """How sources read. All bounds are bytes after unpacking.

  max_line: of a line or a row. max_document: of a file that is held whole (an article, a PDF, a
  JSON object). max_ratio: of unpacked to packed bytes; text packs to a third or a tenth, and zeros
  to a thousandth. cache: a folder for what is fetched; "" = none. allow_private: whether addresses
  that are not of the public internet may be fetched from. drafts: whether unpublished posts of an
  export are read.
  """

  max_line: int = MAX_LINE
  max_document: int = 1 << 30
  max_ratio: int = 200
  cache: str = ""
  allow_private: bool = False
  drafts: bool = False
  delay: float = 1.0  # seconds between two requests to a site


DEFAULT = Reading()


def named(names: Iterable[str]) -> str:
  """Names for a message, the first of many alone."""
  names = [str(name)[:80] for name in names]
  more = f" and {len(names) - 20:,} more" if len(names) > 20 else ""
  return ", ".join(names[:20]) + more


def bound_of(packed: int, how: Reading) -> int:
  """The bytes that a packed file of `packed` bytes may expand to."""
  return max(_FREE, how.max_ratio * packed)


def open_input(path: str, how: Reading = DEFAULT) -> IO[bytes]:
  """Opens a file, a packed file or a member of a zip archive ("a.zip::b.txt") for reading bytes.

  Reading raises InputError where a packed file is damaged, or expands to more than how.max_ratio
  times its size (and to more than 64 MB).
  """
  archive, _, member = path.partition(MEMBER)
  if member and archive.lower().endswith(".zip"):
    from ftjax.data.sources import _zip

    return _zip.opened(archive, member, how)
  suffix = "." + path.lower().rpartition(".")[2]
  if suffix not in PACKED:
    return open_file(path)
  fs, bare = filesystem(path)
  raw = Unpacked(open_file(path), path, bound_of(fs.size(bare), how))
  return io.BufferedReader(raw, CHUNK)


def open_text(path: str, how: Reading = DEFAULT, *, carriage: bool = False) -> IO[bytes]:
  """As `open_input`, with the text as UTF-8 without a byte order mark (encoding.Utf8)."""
  return io.BufferedReader(encoding.Utf8(open_input(path, how), carriage=carriage), CHUNK)


class PackedError(InputError):
  """A packed file is damaged, or expands beyond its bound."""


class Unpacked(io.RawIOBase):
  """What a packed file holds, up to a bound."""

  def __init__(self, inner: IO[bytes], place: str, bound: int):
    self.inner, self.place, self.bound, self.count = inner, place, bound, 0
    self.some = getattr(inner, "read1", inner.read)  # What stands before damage is given, too.

  def readable(self) -> bool:
    return True

  def readinto(self, buffer) -> int:
    try:
      data = self.some(min(len(buffer), CHUNK))
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, OSError) as e:
      if isinstance(e, OSError) and e.errno:
        raise
      raise self.damaged(e) from e
    except Exception as e:
      if type(e).__name__ != "ZstdError":  # of a library that only .zst files need
        raise
      raise self.damaged(e) from e
    self.count += len(data)
    if self.count > self.bound:
      raise PackedError(
        f"{self.place}: expands to more than {told(self.bound)}, far beyond its own size; it was left. If it is what it "
        "should be, unpack it first."
      )
    buffer[: len(data)] = data
    return len(data)

  def damaged(self, error: Exception) -> PackedError:
    return PackedError(f"{self.place}: the packed file is damaged or cut short: {error}.")

  def close(self) -> None:
    self.inner.close()
    super().close()


def lines(f: IO[bytes], path: str, bad: Bad, how: Reading = DEFAULT) -> Iterator[tuple[int, bytes]]:
  """(number from 1, line with its end) of each line. One above how.max_line bytes is told to `bad`
  and passed over without being held."""
  number = 0
  try:
    while line := f.readline(how.max_line + 1):
      number += 1
      if len(line) <= how.max_line:
        yield number, line
        continue
      count, ended = len(line), line.endswith(b"\n")
      del line
      while not ended and (piece := f.readline(CHUNK)):
        count, ended = count + len(piece), piece.endswith(b"\n")
      bad(
        InputError(
          f"{path}:{number}: the line has {told(count)} ({count} bytes); at most {told(how.max_line)} are read "
          "(run.max_line)."
        )
      )
  except PackedError as e:
    bad(e)


def read_document(path: str, bad: Bad, how: Reading = DEFAULT) -> bytes | None:
  """A whole file; None where it is too large, damaged or a bomb, which is told to `bad`."""
  error = None
  try:
    with open_input(path, how) as f:
      raw = f.read(how.max_document + 1)
  except InputError as e:
    error = e
  else:
    if len(raw) <= how.max_document:
      return raw
    error = InputError(
      f"{path}: the file has more than {told(how.max_document)}, which is the most that one document may have "
      "(run.max_line). Split it."
    )
  bad(error)
  return None


def decode(raw: bytes, place: str, bad: Bad) -> str | None:
  """UTF-8 or UTF-16 text; None where it is neither, told to `bad`."""
  try:
    return encoding.decode(raw)
  except UnicodeDecodeError as e:
    error = InputError(
      f"{place}: not UTF-8 text ({e.reason} at byte {e.start + 1}). Convert it: iconv -f latin1 -t utf-8."
    )
  bad(error)
  return None


def document(path: str, bad: Bad, how: Reading = DEFAULT) -> str | None:
  """The text of a whole file, or None, told to `bad`; line ends are \\n."""
  raw = read_document(path, bad, how)
  text = None if raw is None else decode(raw, path, bad)
  return None if text is None else text.replace("\r\n", "\n").replace("\r", "\n")
