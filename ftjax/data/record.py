"""One row of somebody's data, as its source gives it, and what becomes of a row that is broken."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ftjax.config import InputError

Bad = Callable[[InputError], None]  # called for each broken row, line or member; the rest goes on


@dataclass(frozen=True)
class Record:
  """fields: column name -> value. place: where the row stands, as in "rows.jsonl:17"; every error
  names it."""

  fields: dict[str, Any]
  place: str


def raise_error(error: InputError) -> None:
  """The strict `Bad`: the first broken row ends the reading."""
  raise error
