"""What a field of somebody else's JSON may hold: its type and its range, checked before the field is
used. A folder of a model or an adapter comes from a stranger."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ftjax.config import InputError

SHOWN = 80  # characters of a value in a message


class Kind(NamedTuple):
  """Which values a field may have. says: the end of "it must be ..."."""

  says: str
  holds: Callable[[Any], bool]


def whole(low: int, high: int) -> Kind:
  """Whole numbers from low to high."""
  holds = lambda x: isinstance(x, int) and not isinstance(x, bool) and low <= x <= high
  return Kind(f"a whole number from {low} to {high}", holds)


def number(low: float, high: float, above: bool = False) -> Kind:
  """Numbers from low to high; above: not low itself."""

  def holds(x: Any) -> bool:
    if not isinstance(x, int | float) or isinstance(x, bool):
      return False
    return (low < x if above else low <= x) and x <= high  # false of NaN

  return Kind(f"a number {'above' if above else 'from'} {low:g} and up to {high:g}", holds)


def many(one: Kind, most: int = 1 << 16) -> Kind:
  """Lists of values of another kind."""
  holds = lambda x: isinstance(x, list) and len(x) <= most and all(map(one.holds, x))
  return Kind(f"a list (at most {most}) where each is {one.says}", holds)


def by_name(one: Kind) -> Kind:
  """Mappings from names to values of another kind."""
  holds = lambda x: isinstance(x, Mapping) and all(map(one.holds, x.values()))
  return Kind(f"a mapping from names, each to {one.says}", holds)


def either(*kinds: Kind) -> Kind:
  """Values of any of these kinds."""
  holds = lambda x: any(kind.holds(x) for kind in kinds)
  return Kind(" or ".join(kind.says for kind in kinds), holds)


FLAG = Kind("true or false", lambda x: isinstance(x, bool))
TEXT = Kind("a text", lambda x: isinstance(x, str))
NULL = Kind("null", lambda x: x is None)
MAPPING = Kind("a mapping", lambda x: isinstance(x, Mapping))
ANY = Kind("anything", lambda x: True)


def check(where: Any, field: str, value: Any, kind: Kind) -> Any:
  """`value` where it is of that kind, else an InputError. where: the file."""
  if not kind.holds(value):
    raise InputError(
      f"{where} says {field}={shown(value)}, and it must be {kind.says}. Correct the file, or copy the "
      "folder again."
    )
  return value


def shown(value: Any) -> str:
  """A value as messages show it: cut where it is long."""
  text = repr(value)
  return text if len(text) <= SHOWN else text[:SHOWN] + " ..."


def deepest(value: Any, limit: int) -> int:
  """How deep lists and mappings are in one another, counted up to limit + 1."""
  level, found = [value], 0
  while level and found <= limit:
    nested = [x for x in level if isinstance(x, dict | list)]
    found += bool(nested)
    if not nested:
      break
    level = [y for x in nested for y in (x.values() if isinstance(x, dict) else x)]
  return found


def finite(value: Any) -> bool:
  """Whether a number is one."""
  return not isinstance(value, float) or math.isfinite(value)
