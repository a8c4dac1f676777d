"""ftjax's own rows: {"text"}, or {"messages"} and for preference pairs {"rejected"}, with what is
known of their origin. `data.train` and `config.sources` read them as they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ftjax.data.example import Example
from ftjax.data.lines import write_lines


def write(examples: Iterable[Example], path: str | Path) -> int:
  """Writes one JSON object a line; returns the number of rows."""
  return write_lines(examples, path, row)


def row(example: Example) -> dict[str, Any]:
  """The row as it is written. Fields of which nothing is known are left out."""
  origin = example.origin
  content: dict[str, Any] = {"text": example.text}
  if example.messages:
    content = {"messages": list(example.messages)}
  if example.rejected:
    content["rejected"] = list(example.rejected)
  known = {
    "source": origin.source,
    "path": origin.path,
    "row": origin.row,
    "licence": origin.licence,
    "date": origin.date,
    "url": origin.url,
    "title": example.title,
    "category": example.category,
  }
  weight = {} if example.weight == 1.0 else {"weight": example.weight}
  return {"id": example.id} | content | {k: v for k, v in known.items() if v} | weight
