"""Plain text: a file is one document."""

from collections.abc import Iterator

from ftjax.config import InputError
from ftjax.data.record import Record
from ftjax.storage import open_file


def records(path: str) -> Iterator[Record]:
  """One record {"text": the whole file}. Raises InputError for a file that is not UTF-8."""
  with open_file(path) as f:
    raw = f.read()
  try:
    yield Record({"text": raw.decode("utf-8-sig")}, path)
  except UnicodeDecodeError as e:
    raise InputError(
      f"{path}: not UTF-8 text ({e.reason} at byte {e.start + 1}). Convert it: iconv -f latin1 -t utf-8."
    ) from e
