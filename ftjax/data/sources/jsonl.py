"""JSON lines: one object a line. Blank lines are passed over."""

import json
from collections.abc import Iterator

from ftjax.config import InputError
from ftjax.data.record import Record
from ftjax.storage import open_file


def records(path: str) -> Iterator[Record]:
  """Raises InputError with the line (and column) for a line that is not a JSON object in UTF-8."""
  with open_file(path) as f:
    for number, line in enumerate(f, 1):
      place = f"{path}:{number}"
      try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
      except UnicodeDecodeError as e:
        raise InputError(f"{place}: not UTF-8 text ({e.reason} at byte {e.start + 1}).") from e
      if not text.strip():
        continue
      try:
        row = json.loads(text)
      except json.JSONDecodeError as e:
        raise InputError(
          f"{place}: not valid JSON at column {e.colno}: {e.msg}. Each line must be one whole JSON object; mend or "
          "remove this line."
        ) from e
      if not isinstance(row, dict):
        raise InputError(
          f'{place}: a row must be a JSON object such as {{"text": "..."}}, but this is a {type(row).__name__}.'
        )
      yield Record(row, place)
