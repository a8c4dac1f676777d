"""JSON lines, written: one object a line, UTF-8, no escapes for what UTF-8 can say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ftjax.data.example import Example
from ftjax.storage import atomic_path


def line(row: dict[str, Any]) -> bytes:
  """The row as a line, line feed included. Raises ValueError for NaN and infinities, which JSON
  does not have (RFC 8259, section 6). A lone surrogate, which UTF-8 cannot say, is escaped together
  with the rest of its line."""
  text = json.dumps(row, ensure_ascii=False, allow_nan=False)
  try:
    return text.encode() + b"\n"
  except UnicodeEncodeError:
    return json.dumps(row, allow_nan=False).encode() + b"\n"


def write_lines(
  examples: Iterable[Example], path: str | Path, row: Callable[[Example], dict[str, Any]]
) -> int:
  """Writes `row` of each example, one at a time, and returns their number. The file appears when it
  is whole: after an error in `examples` or `row` there is none, or still the old one."""
  count = 0
  with atomic_path(path) as temporary, open(temporary, "wb") as f:
    for example in examples:
      f.write(line(row(example)))
      count += 1
  return count
