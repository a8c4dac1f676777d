"""Scores of a model, of its base and of the floor, side by side."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from ftjax import plugin
from ftjax.evaluate.floor import FLOOR
from ftjax.evaluate.outputs import METRICS

GAIN = "over floor"
NOTE = "floor: what the references of other prompts score as answers"

Scores = Mapping[str, Mapping[str, float]]


class Row(NamedTuple):
  """A measure: its name, and its numbers as text, one for each column."""

  label: str
  cells: list[str]


def columns(scores: Scores) -> list[str]:
  """The names of the columns: the floor, the models, and what the tuned one is above the floor."""
  names = [n for n in (FLOOR, "base", "tuned") if scores.get(n)]
  return names + [GAIN] if {FLOOR, "tuned"} <= set(names) else names


def rows(scores: Scores) -> list[Row]:
  """A row for each number that a metric shows (its SHOWN) and that there is, "-" where a column
  lacks it."""
  names = columns(scores)
  keys = list(dict.fromkeys(key for n in names for key in scores.get(n, ())))
  modules = [plugin.load(METRICS, name) for name in plugin.names(METRICS)]
  out = []
  for module in sorted(modules, key=lambda m: m.KIND != "tokens"):
    for pattern, label, form in module.SHOWN:
      for key in _matching(pattern, keys):
        name = label.format(key.removeprefix(pattern.rstrip("*")))
        out.append(Row(name, [_cell(scores, column, key, form) for column in names]))
  return out


def scores_table(scores: Scores, title: str, warnings: Sequence[str] = ()) -> Table:
  """The table for a terminal; the warnings stand under it."""
  notes = [NOTE] if GAIN in columns(scores) else []
  notes += [f"warning: {w}" for w in warnings]
  table = Table(title=Text(title), caption=Text("\n".join(notes)), caption_justify="left")
  table.add_column("")
  for name in columns(scores):
    table.add_column(name, justify="right")
  for row in rows(scores):
    table.add_row(Text(row.label), *row.cells)
  return table


def _matching(pattern: str, keys: Sequence[str]) -> list[str]:
  if pattern.endswith("*"):
    return [key for key in keys if key.startswith(pattern[:-1])]
  return [pattern] if pattern in keys else []


def _cell(scores: Scores, column: str, key: str, form: str) -> str:
  if column != GAIN:
    some = scores[column]
    return form.format(some[key]) if key in some else "-"
  floor, tuned = scores[FLOOR], scores["tuned"]
  both = key in floor and key in tuned
  return form.replace(":", ":+").format(tuned[key] - floor[key]) if both else ""
