"""A JSON file: a list of rows, or an object that holds one list of rows."""

import json
from collections.abc import Iterator

from ftjax.config import InputError
from ftjax.data.record import Record
from ftjax.data.sources import jsonl
from ftjax.storage import open_file


def records(path: str) -> Iterator[Record]:
  """Raises InputError for a file that is not JSON or that holds no list of rows. JSON lines in a
  ".json" file, which many tools write, are read as such."""
  with open_file(path) as f:
    raw = f.read()
  try:
    data = json.loads(raw.decode("utf-8-sig"))
  except UnicodeDecodeError as e:
    raise InputError(f"{path}: not UTF-8 text ({e.reason} at byte {e.start + 1}).") from e
  except json.JSONDecodeError as e:
    if e.msg == "Extra data":  # A whole value, then another: one object a line.
      yield from jsonl.records(path)
      return
    raise InputError(f"{path}:{e.lineno}: not valid JSON at column {e.colno}: {e.msg}.") from e
  if isinstance(data, dict):
    lists = [key for key, value in data.items() if isinstance(value, list)]
    if len(lists) != 1:
      raise InputError(
        f"{path}: must be a list of rows, or an object with one list of rows; this object's lists are "
        f"{', '.join(map(repr, lists)) or 'none'}."
      )
    data = data[lists[0]]
  if not isinstance(data, list):
    raise InputError(f"{path}: must be a list of rows, but is a {type(data).__name__}.")
  for number, row in enumerate(data, 1):
    if not isinstance(row, dict):
      raise InputError(
        f"{path} row {number}: a row must be an object, but is a {type(row).__name__}."
      )
    yield Record(row, f"{path} row {number}")
