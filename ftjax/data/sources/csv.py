"""Tables as text: a header line, then one row each. Tab, comma, semicolon or bar between the
columns."""

import csv
import io
from collections.abc import Iterator

from ftjax.config import InputError
from ftjax.data.record import Record
from ftjax.storage import open_file


def records(path: str) -> Iterator[Record]:
  """All values are text. Raises InputError with the line for a header with empty or repeated
  names, and for a row with more or fewer values than the header."""
  csv.field_size_limit(1 << 30)  # The default refuses fields above 128 KiB, such as a long article.
  with open_file(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as f:
    try:
      first = f.readline()
      reader = csv.reader(_chain(first, f), delimiter=_delimiter(first, path), strict=True)
      header = [name.strip() for name in next(reader, [])]
      if not header or "" in header or len(set(header)) < len(header):
        raise InputError(
          f"{path}:1: the first line must name the columns, each once; it reads {header}."
        )
      start = reader.line_num + 1
      for row in reader:
        if row and len(row) != len(header):
          raise InputError(
            f"{path}:{start}: {len(row)} values, but the header names {len(header)} columns ({', '.join(header)}). "
            'Values that hold the delimiter or a line break belong in double quotes, and a quote is written "".'
          )
        if row:
          yield Record(dict(zip(header, row, strict=True)), f"{path}:{start}")
        start = reader.line_num + 1
    except UnicodeDecodeError as e:
      raise InputError(f"{path}: not UTF-8 text ({e.reason}). Save it as CSV UTF-8.") from e
    except csv.Error as e:
      raise InputError(f"{path}:{reader.line_num}: not a readable table: {e}.") from e


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
  yield first
  yield from rest


def _delimiter(header: str, path: str) -> str:
  """The delimiter that the header line uses most, outside quotes."""
  if ".tsv" in path:
    return "\t"
  bare = "".join(header.split('"')[::2])
  return max(",;\t|", key=bare.count)
