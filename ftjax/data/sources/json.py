"""A JSON file: a list of rows, or an object that holds one list of rows.

A list is read row by row, so that it may be larger than memory; an object is read whole.
"""

import json
from collections.abc import Iterator
from typing import IO, Any

from ftjax.config import InputError
from ftjax.data.record import Bad, Record, raise_error
from ftjax.data.sources import jsonl
from ftjax.data.sources._reading import (
  COLUMNS,
  DEFAULT,
  Reading,
  decode,
  named,
  open_text,
  read_document,
)
from ftjax.sizes import told

_CHUNK = 1 << 20
_SPACE = " \t\n\r"


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """Tells `bad` of a file that is not JSON or holds no list of rows, and of rows that are no
  objects. What stands before a fault in the file is read. JSON lines in a ".json" file, which many
  tools write, are read as such."""
  try:
    with open_text(path, how) as f:
      listed = f.read(64).lstrip()[:1] == b"["
    rows = _listed(path, how) if listed else iter(_whole(path, how))
  except InputError as e:
    bad(e)
    return
  except _Lines:
    yield from jsonl.records(path, bad, how)
    return
  number = 0
  while True:
    try:
      row = next(rows, rows)
    except InputError as e:
      bad(e)
      return
    if row is rows:
      return
    number += 1
    if isinstance(row, dict) and len(row) > COLUMNS:
      bad(
        InputError(
          f"{path} row {number}: the row has {len(row):,} columns; at most {COLUMNS:,} are read."
        )
      )
    elif isinstance(row, dict):
      yield Record(row, f"{path} row {number}")
    else:
      kind = type(row).__name__
      bad(InputError(f"{path} row {number}: a row must be an object, but is a {kind}."))


class _Lines(Exception):
  """The file holds one object a line."""


def _whole(path: str, how: Reading) -> list[Any]:
  text = decode(read_document(path, raise_error, how), path, raise_error)
  try:
    data = json.loads(text)
  except json.JSONDecodeError as e:
    if e.msg == "Extra data":  # A whole value, then another: one object a line.
      raise _Lines from None
    raise InputError(f"{path}:{e.lineno}: not valid JSON at column {e.colno}: {e.msg}.") from e
  except (RecursionError, ValueError) as e:
    raise InputError(f"{path}: not readable JSON: {e}.") from e
  if isinstance(data, dict):
    lists = [key for key, value in data.items() if isinstance(value, list)]
    if len(lists) != 1:
      raise InputError(
        f"{path}: must be a list of rows, or an object with one list of rows; this object's lists are "
        f"{named(map(repr, lists)) or 'none'}."
      )
    data = data[lists[0]]
  if not isinstance(data, list):
    raise InputError(f"{path}: must be a list of rows, but is a {type(data).__name__}.")
  return data


def _listed(path: str, how: Reading) -> Iterator[Any]:
  with open_text(path, how) as f:
    window = _Window(f, path, how)
    window.expect("[")
    if window.peek() == "]":
      return
    while True:
      yield window.value()
      if window.peek() == "]":
        window.expect("]")
        if window.peek():
          raise window.error("Extra data", window.at)
        return
      window.expect(",")


class _Window:
  """The part of a file's text that is being read, and where it stands in the file."""

  def __init__(self, f: IO[bytes], path: str, how: Reading):
    import codecs

    self.f, self.path, self.how = f, path, how
    self.decoder = codecs.getincrementaldecoder("utf-8")()
    self.text, self.at, self.done = "", 0, False
    self.line, self.column = 1, 1  # of the window's first character
    self.parser = json.JSONDecoder()
    self.more(_CHUNK)

  def more(self, count: int) -> None:
    passed = self.text[: self.at]
    ends = passed.count("\n")
    self.line += ends
    self.column = len(passed) - passed.rfind("\n") if ends else self.column + len(passed)
    raw = self.f.read(count)
    self.done = not raw
    try:
      new = self.decoder.decode(raw, self.done)
    except UnicodeDecodeError as e:
      raise InputError(
        f"{self.path}: not UTF-8 text ({e.reason}) after line {self.line}. Convert it: iconv -f latin1 -t utf-8."
      ) from e
    self.text, self.at = self.text[self.at :] + new, 0

  def peek(self) -> str:
    """The next character that is no space; "" at the end."""
    while True:
      while self.at < len(self.text) and self.text[self.at] in _SPACE:
        self.at += 1
      if self.at < len(self.text) or self.done:
        return self.text[self.at : self.at + 1]
      self.more(_CHUNK)

  def expect(self, mark: str) -> None:
    if self.peek() != mark:
      raise self.error(f"Expecting {mark!r} delimiter", self.at)
    self.at += 1

  def value(self) -> Any:
    self.peek()
    while True:
      try:
        value, end = self.parser.raw_decode(self.text, self.at)
        if end < len(self.text) or self.done:
          self.at = end
          return value
      except json.JSONDecodeError as e:
        near = len(self.text) - e.pos < 16  # a word, number or escape may be cut
        if self.done or not (near or e.msg.startswith("Unterminated")):
          raise self.error(e.msg, e.pos) from e
      except (RecursionError, ValueError) as e:
        raise InputError(f"{self.path}:{self.line}: not readable JSON: {e}.") from e
      held = len(self.text) - self.at
      if held > self.how.max_line:
        raise InputError(
          f"{self.path}:{self.line}: a row has more than {told(self.how.max_line)}, or its end is missing (run.max_line)."
        )
      self.more(max(_CHUNK, held))

  def error(self, what: str, position: int) -> InputError:
    passed = self.text[:position]
    ends = passed.count("\n")
    column = position - passed.rfind("\n") if ends else self.column + position
    return InputError(f"{self.path}:{self.line + ends}: not valid JSON at column {column}: {what}.")
