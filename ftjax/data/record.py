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


def filled(fields: dict[str, Any]) -> dict[str, Any]:
  """The columns of a row of an Arrow file, whose structures have a null for every key that only other
  rows fill: without these."""
  return {name: _filled(value) for name, value in fields.items()}


def _filled(value: Any) -> Any:
  if isinstance(value, dict):
    return {k: _filled(v) for k, v in value.items() if v is not None}
  if isinstance(value, list) and value and isinstance(value[0], (dict, list)):
    return [_filled(v) for v in value]
  return value


class LeftOut(InputError):
  """Not broken: what a source leaves out by its rules, counted by kind in one message a file."""


def raise_error(error: InputError) -> None:
  """The strict `Bad`: the first broken row ends the reading. What is left out is said."""
  if not isinstance(error, LeftOut):
    raise error
  from ftjax.log import say  # It imports JAX, which preparation's workers do without.

  say(str(error))
