"""Tables as text: a header line, then one row each. Tab, comma, semicolon or bar between the
columns."""

import csv
from collections.abc import Iterator

from ftjax.config import InputError
from ftjax.data.record import Bad, Record, raise_error
from ftjax.data.sources._reading import COLUMNS, DEFAULT, Reading, lines, named, open_text


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """All values are text. Tells `bad` the line of a row with more or fewer values than the header,
  or that is not UTF-8, or too long; and of a header with empty or repeated names, which ends the
  reading."""
  csv.field_size_limit(
    how.max_line
  )  # The default refuses fields above 128 KiB, such as an article.
  with open_text(path, how, carriage=True) as f:
    text = _Lines(lines(f, path, lambda e: text.faults.append(e), how), path)
    first = next(text, "")
    reader = csv.reader(_chain(first, text), delimiter=_delimiter(first, path), strict=True)
    header: list[str] = []
    try:
      header = [name.strip() for name in next(reader, [])]
    except csv.Error as e:
      text.faults.append(InputError(f"{path}:1: not a readable table: {e}."))
    if len(header) > COLUMNS:
      text.faults.append(
        InputError(
          f"{path}:1: the table has {len(header):,} columns; at most {COLUMNS:,} are read."
        )
      )
    if text.faults:
      bad(text.faults[0])
      return
    if not header or "" in header or len(set(header)) < len(header):
      bad(
        InputError(
          f"{path}:1: the first line must name the columns, each once; it reads {named(header)}."
        )
      )
      return
    start = text.number + 1
    while True:
      error = row = None
      try:
        row = next(reader, None)
      except csv.Error as e:
        error = InputError(f"{path}:{start}: not a readable table: {e}.")
      faults, text.faults = text.faults, []
      if row and len(row) != len(header):
        error = InputError(
          f"{path}:{start}: {len(row)} values, but the header names {len(header)} columns ({named(header)}). "
          'Values that hold the delimiter or a line break belong in double quotes, and a quote is written "".'
        )
      if faults or error:  # A row of which a line is missing or unreadable is not taken in part.
        for fault in faults or [error]:
          bad(fault)
      elif row:
        yield Record(dict(zip(header, row, strict=True)), f"{path}:{start}")
      if row is None and not error:
        return
      start = text.number + 1


class _Lines:
  """Lines as text, for csv; what is wrong with them is collected in `faults`."""

  def __init__(self, numbered: Iterator[tuple[int, bytes]], path: str):
    self.numbered, self.path, self.number = numbered, path, 0
    self.faults: list[InputError] = []
    self.held: tuple[int, bytes] | None = None

  def __iter__(self) -> Iterator[str]:
    return self

  def __next__(self) -> str:
    number, line = self.held or next(self.numbered)
    self.held, self.number = None, self.number + 1
    if number > self.number:  # Lines between were too long: one empty line stands for them.
      self.held, self.number = (number, line), number - 1
      return "\n"
    try:
      return line.decode()
    except UnicodeDecodeError as e:
      self.faults.append(
        InputError(
          f"{self.path}:{self.number}: not UTF-8 text ({e.reason} at byte {e.start + 1}). Save it as CSV UTF-8."
        )
      )
      return line.decode("utf-8", "replace")


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
  yield first
  yield from rest


def _delimiter(header: str, path: str) -> str:
  """The delimiter that the header line uses most, outside quotes."""
  if ".tsv" in path:
    return "\t"
  bare = "".join(header.split('"')[::2])
  return max(",;\t|", key=bare.count)
