"""JSON lines: one object a line. Blank lines are passed over."""

import json
from collections.abc import Iterator

from ftjax.config import InputError
from ftjax.data.record import Bad, Record, raise_error
from ftjax.data.sources._reading import COLUMNS, DEFAULT, Reading, lines, open_text


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """Tells `bad` the line (and column) of each line that is not a JSON object, or is too
  long."""
  with open_text(path, how) as f:
    for number, line in lines(f, path, bad, how):
      try:
        row = _row(line, f"{path}:{number}")
      except InputError as e:
        bad(e)
        continue
      if row is not None:
        yield Record(row, f"{path}:{number}")


def _row(line: bytes, place: str) -> dict | None:
  try:
    text = line.decode()
  except UnicodeDecodeError as e:
    raise InputError(f"{place}: not UTF-8 text ({e.reason} at byte {e.start + 1}).") from e
  if not text.strip():
    return None
  try:
    row = json.loads(text)
  except json.JSONDecodeError as e:
    raise InputError(
      f"{place}: not valid JSON at column {e.colno}: {e.msg}. Each line must be one whole JSON object; mend or "
      "remove this line."
    ) from e
  except (
    RecursionError,
    ValueError,
  ) as e:  # nested thousands deep; a number of thousands of digits
    raise InputError(f"{place}: not readable JSON: {str(e).rstrip('.')}.") from e
  if not isinstance(row, dict):
    raise InputError(
      f'{place}: a row must be a JSON object such as {{"text": "..."}}, but this is a {type(row).__name__}.'
    )
  if len(row) > COLUMNS:
    raise InputError(f"{place}: the row has {len(row):,} columns; at most {COLUMNS:,} are read.")
  return row
