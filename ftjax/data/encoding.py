"""Text files as programs write them, read as UTF-8: one place for training, preparing and checking."""

from __future__ import annotations

import codecs
import io
import re
from pathlib import Path
from typing import IO

from ftjax.config import InputError

_CHUNK = 1 << 20
_MARKS = (
  (codecs.BOM_UTF8, "utf-8"),
  (codecs.BOM_UTF16_LE, "utf-16-le"),
  (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def encoding_of(head: bytes) -> tuple[str, int]:
  """("utf-8" | "utf-16-le" | "utf-16-be", bytes of its mark), by the first bytes of a text: a byte order
  mark, or the zeros between the first letters of UTF-16."""
  for mark, name in _MARKS:
    if head.startswith(mark):
      return name, len(mark)
  if re.match(rb"[^\0]\0[^\0]\0", head):
    return "utf-16-le", 0
  if re.match(rb"\0[^\0]\0[^\0]", head):
    return "utf-16-be", 0
  return "utf-8", 0


def decode(raw: bytes) -> str:
  """A whole text. Raises UnicodeDecodeError where it is not what its first bytes say."""
  name, mark = encoding_of(raw)
  return raw[mark:].decode(name)


def lines_of(path: str | Path) -> list[str]:
  """The lines of a text file. They end at LF or CR LF, never inside a text that holds U+2028 and its
  like, as str.splitlines has it. Raises InputError for a file that is not there or not text."""
  try:
    text = decode(Path(path).read_bytes())
  except UnicodeDecodeError as e:
    raise InputError(
      f"{path}: neither UTF-8 nor UTF-16 text ({e.reason} at byte {e.start + 1}). Convert it: "
      "iconv -f latin1 -t utf-8."
    ) from e
  except OSError as e:
    raise InputError(f"{path}: cannot be read: {e.strerror}.") from e
  lines = text.replace("\r\n", "\n").split("\n")
  return lines if lines[-1] else lines[:-1]


class Utf8(io.RawIOBase):
  """The bytes of a text file as UTF-8 without a byte order mark.

  encoding, marked: of the file, once something was read. Half a character at the end, and half of a
  surrogate pair, become bytes that are not UTF-8, so that a reader of lines finds them in their line; with
  lossy they become U+FFFD. carriage: CR alone becomes LF where it ends the first line (CSV for Macintosh).
  """

  def __init__(self, inner: IO[bytes], *, lossy: bool = False, carriage: bool = False):
    self.inner = inner
    self.some = getattr(inner, "read1", inner.read)  # What stands before damage is given, too.
    self.lossy, self.carriage = lossy, carriage
    self.encoding, self.marked = "", False
    self.decoder = None
    self.held, self.ended = b"", False

  def _begin(self) -> None:
    head = b""
    while len(head) < 4 and (more := self.some(_CHUNK)):
      head += more
    self.encoding, length = encoding_of(head)
    self.marked = length > 0
    if self.encoding != "utf-8":
      how = "replace" if self.lossy else "surrogatepass"
      self.decoder = codecs.getincrementaldecoder(self.encoding)(how)
    self.held = self._converted(head[length:])
    first = re.match(rb"[^\r\n]*\r[^\n]", self.held)
    self.carriage = self.carriage and first is not None and b"\r\n" not in self.held
    self.held = self._lines(self.held)

  def _converted(self, data: bytes) -> bytes:
    if self.decoder is None:
      return data
    self.ended = self.ended or not data
    try:
      return self.decoder.decode(data, self.ended).encode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # the end of the file is half a character
      return b"\xff"

  def _lines(self, data: bytes) -> bytes:
    return data.replace(b"\r", b"\n") if self.carriage else data

  def readable(self) -> bool:
    return True

  def readinto(self, buffer) -> int:
    if not self.encoding:
      self._begin()
    while not self.held and not self.ended:
      data = self.some(_CHUNK)
      self.held = self._lines(self._converted(data))
      self.ended = not data
    count = min(len(buffer), len(self.held))
    buffer[:count] = self.held[:count]
    self.held = self.held[count:]
    return count

  def close(self) -> None:
    self.inner.close()
    super().close()
