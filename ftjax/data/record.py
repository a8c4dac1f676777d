"""One row of somebody's data, as its source gives it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Record:
  """fields: column name -> value. place: where the row stands, as in "rows.jsonl:17"; every error
  names it."""

  fields: dict[str, Any]
  place: str
