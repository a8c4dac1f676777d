"""Numbers in columns, for people."""

from collections.abc import Mapping, Sequence
from itertools import groupby


def aligned(found: Mapping[str, Mapping[str, float]]) -> str:
  """A line for each name; rows in succession with the same keys stand under one head. "-" is a
  number that there is none of."""
  blocks = []
  for keys, rows in groupby(found.items(), key=lambda item: tuple(item[1])):
    lines = [["", *keys]] + [[name, *map(_number, numbers.values())] for name, numbers in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(keys) + 1)]
    blocks.append(
      "\n".join(
        line[0].ljust(widths[0])
        + "".join(f"  {x:>{w}}" for x, w in zip(line[1:], widths[1:], strict=True))
        for line in lines
      )
    )
  return "\n\n".join(blocks)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  """A table in Markdown; nothing in the cells may be a bar."""
  line = lambda cells: "| " + " | ".join(cells) + " |"
  return "\n".join([line(header), line(["---"] * len(header)), *map(line, rows)])


def _number(value: float) -> str:
  if value != value:
    return "-"
  if value == int(value) or abs(value) >= 1000:
    return f"{value:,.0f}"
  return f"{value:.4g}"
