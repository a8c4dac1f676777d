"""The lines of a file as text: of bounded size, in whatever encoding."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, Any, NamedTuple

from ftjax.data.encoding import Utf8
from ftjax.data.lint.problem import ERROR, WARNING, Problem
from ftjax.data.lint.wording import WORDING
from ftjax.sizes import told

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


def warning(code: str, line: int, at: int) -> Problem:
  """As `error`, for what training reads all the same."""
  return replace(error(code, line, at), level=WARNING)


def lines(f: IO[bytes], limit: int) -> Iterator[Line]:
  """The lines of a file as text, each of `limit` bytes at most."""
  problems: list[Problem] = []
  chunks = _chunks(f, problems)
  for number, (raw, size) in enumerate(_pieces(chunks, limit), 1):
    if raw is None:
      code = "too-long-line" if size >= 0 else "unreadable"
      problem = error(code, number, -1, size=told(size), limit=told(limit))
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
  """A file piece by piece, as UTF-8; what else it is in is noted. None = it cannot be read on."""
  text = Utf8(f, lossy=True)
  while True:
    first = not text.encoding
    try:
      chunk = text.read(_CHUNK)
    except (OSError, EOFError, zlib.error):
      yield None
      return
    if first and text.encoding != "utf-8":
      problems.append(warning("utf-16", 1, -1))
    elif first and text.marked:
      problems.append(warning("byte-order-mark", 1, 0))
    if not chunk:
      return
    yield chunk


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
