"""The lines of a file as text: of bounded size, in whatever encoding."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from ftjax.data.lint.problem import ERROR, Problem
from ftjax.data.lint.wording import WORDING

_CHUNK = 1 << 20
_DECODERS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


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
  """The lines of a file as text."""
  number, encoding = 0, "utf-8"
  for raw, size in _pieces(f, limit):
    number += 1
    problems: list[Problem] = []
    if number == 1 and raw:
      encoding = next((e for mark, e in _DECODERS.items() if raw.startswith(mark)), "utf-8")
      if encoding != "utf-8":
        yield from _wide(raw, f, encoding, limit)
        return
      if raw.startswith(codecs.BOM_UTF8):
        raw = raw[len(codecs.BOM_UTF8) :]
        problems.append(error("byte-order-mark", 1, 0))
    if raw is None:
      megabytes = f"{size / 1e6:,.1f}" if size >= 0 else ""
      code = "too-long-line" if size >= 0 else "unreadable"
      problem = error(code, number, -1, size=megabytes, limit=f"{limit / 1e6:,.0f}")
      yield Line(number, b"", None, [problem])
      continue
    try:
      yield Line(number, raw, raw.decode(), problems)
    except UnicodeDecodeError as e:
      at = len(raw[: e.start].decode())
      problems.append(error("not-utf-8", number, at, byte=f"0x{raw[e.start]:02x}"))
      yield Line(number, b"", raw.decode("cp1252", "replace"), problems)


def _wide(first: bytes, f: IO[bytes], encoding: str, limit: int) -> Iterator[Line]:
  """The lines of a file in UTF-16, whose byte order mark has been seen."""
  decoder = codecs.getincrementaldecoder(encoding)("replace")
  text, number = decoder.decode(first[2:]), 0
  problems = [error("utf-16", 1, -1)]
  while True:
    *whole, text = text.split("\n")
    for line in whole:
      number += 1
      yield Line(number, b"", line + "\n", problems)
      problems = []
    chunk = f.read(_CHUNK)
    if not chunk:
      break
    text += decoder.decode(chunk)
    if len(text) > limit and "\n" not in text:
      number += 1
      size = f"over {limit / 1e6:,.0f}"
      yield Line(number, b"", None, [error("too-long-line", number, -1, size=size, limit=size[5:])])
      return
  if text:
    yield Line(number + 1, b"", text, problems)


def _pieces(f: IO[bytes], limit: int) -> Iterator[tuple[bytes | None, int]]:
  """(line, its bytes) of a file, with no more than `limit` and a chunk in memory. The line is None
  where it is longer, and with a size of -1 where the file cannot be read on."""
  kept: list[bytes] = []
  size = 0
  while True:
    try:
      chunk = f.read(_CHUNK)
    except (OSError, EOFError, zlib.error):
      yield None, -1
      return
    if not chunk:
      break
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
