"""Numbers and times as people read them."""

from __future__ import annotations

from typing import Any


def number(value: Any) -> str:
  """1234567 -> "1,234,567"; 0.123456 -> "0.123"; 12.0 -> "12"."""
  if isinstance(value, bool) or not isinstance(value, (int, float)):
    return str(value)
  if isinstance(value, int) or value == int(value) if abs(value) < 1e15 else False:
    return f"{int(value):,}"
  return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3g}"


def percent(share: float) -> str:
  """0.1234 -> "12.3%"; what is above 0 is never said to be 0."""
  if 0 < share < 0.001:
    return "<0.1%"
  if 0.999 < share < 1:
    return ">99.9%"
  return f"{share:.1%}" if 0 < share < 1 else f"{share:.0%}"


def seconds(value: float) -> str:
  """3.21 -> "3.2 s"; 75 -> "1 min 15 s"; 4000 -> "1 h 7 min"."""
  if value < 60:
    return f"{value:.1f} s"
  minutes, rest = divmod(round(value), 60)
  if minutes < 60:
    return f"{minutes} min {rest} s"
  return f"{minutes // 60} h {minutes % 60} min"


def count(n: int, one: str, many: str = "") -> str:
  """1 row, 2 rows."""
  return f"{number(n)} {one if n == 1 else many or one + 's'}"
