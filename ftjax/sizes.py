"""Sizes in bytes, as configs and messages have them: a kB is 1,000 bytes, a MB 1,000,000; a KiB is
1,024, a MiB 1,048,576."""

import re
from typing import Any

from ftjax.config import InputError


def parse(value: Any, key: str) -> int:
  """Bytes, of a number or of text such as "50MB", "1.5 GB" or "50MiB". Raises InputError naming the
  key."""
  text = str(value).strip().lower().replace(",", "").replace("_", "")
  found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?))?b?", text)
  base = 1024 if found and found[3] else 1000
  count = int(float(found[1]) * base ** " kmgt".index(found[2] or " ")) if found else 0
  if count <= 0:
    raise InputError(
      f"{key}={value!r} is not a size. Write a number and a unit: '50MB' (50,000,000 bytes), "
      "'50MiB' (52,428,800), '2GB'."
    )
  return count


def told(count: float) -> str:
  """1234567 -> "1.23 MB"."""
  for unit in ("bytes", "kB", "MB", "GB"):
    if round(count) < 1000:
      return f"{count:.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.3g} {unit}"
    count /= 1000
  return f"{count:,.3g} TB"
