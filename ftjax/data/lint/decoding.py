"""The lines of a file as text: of bounded size, in whatever encoding."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from ftjax.data.lint.problem import ERROR, Problem
from ftjax.data.lint.wording import WORDING

_CHUNK = 1 << 20


class Line(NamedTuple):
  """raw: the bytes, line feed included. text: None where it could not be read."""

  number: int
  raw: bytes
  text: str | None
  problems: list[Problem]


def error(code: str, line: int, at: int, **words: Any) -> Problem:
  """An error in the wording of its code. at: the place in the line, from 0; -1 = the whole line."""
  message, fix, mends = WORDING[code]
  return Problem(code, ERROR, line, at + 1, message.format(**words), fix.format(**words), mends)


def lines(f: IO[bytes], limit: int) -> Iterator[Line]:
  """The lines of a file as text, each of `limit` bytes at most."""
  problems: list[Problem] = []
  chunks = _chunks(f, problems)
  for number, (raw, size) in enumerate(_pieces(chunks, limit), 1):
    if raw is None:
      code = "too-long-line" if size >= 0 else "unreadable"
      problem = error(code, number, -1, size=f"{size / 1e6:,.1f}", limit=f"{limit / 1e6:,.1f}")
      yield Line(number, b"", None, [*problems, problem])
    else:
      try:
        yield Line(number, raw, raw.decode(), problems)
      except UnicodeDecodeError as e:
        at = len(raw[: e.start].decode())
        problem = error("not-utf-8", number, at, byte=f"0x{raw[e.start]:02x}")
        yield Line(number, b"", raw.decode("cp1252", "replace"), [*problems, problem])
    problems = []


def _chunks(f: IO[bytes], problems: list[Problem]) -> Iterator[bytes | None]:
  """A file piece by piece: as UTF-8 where it is UTF-16, without a byte order mark, both of which are
  noted. None = it cannot be read on."""
  read = getattr(f, "read1", f.read)  # which gives what there is before damage, not all or nothing
  decoder = None
  first = True
  while True:
    try:
      chunk = read(_CHUNK)
    except (OSError, EOFError, zlib.error):
      yield None
      return
    if first:
      if chunk.startswith(codecs.BOM_UTF8):
        chunk = chunk[len(codecs.BOM_UTF8) :]
        problems.append(error("byte-order-mark", 1, 0))
      elif chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        decoder = codecs.getincrementaldecoder("utf-16")("replace")
        problems.append(error("utf-16", 1, -1))
      first = False
    if not chunk:
      return
    yield decoder.decode(chunk).encode() if decoder else chunk


def _pieces(chunks: Iterator[bytes | None], limit: int) -> Iterator[tuple[bytes | None, int]]:
  """(line, its bytes), with no more than `limit` and a chunk in memory. The line is None where it is
  longer, and with a size of -1 where the file cannot be read on."""
  kept: list[bytes] = []
  size = 0
  for chunk in chunks:
    if chunk is None:
      yield None, -1
      return
    start = 0
    while (end := chunk.find(b"\n", start) + 1) > 0:
      size += end - start
      kept.append(chunk[start:end])
      yield (b"".join(kept) if size <= limit else None), size
      kept, size, start = [], 0, end
    size += len(chunk) - start
    kept = [*kept, chunk[start:]] if size <= limit else []
  if size:
    yield (b"".join(kept) if size <= limit else None), size
