"""How far a preparation is: a live bar on a terminal, plain lines elsewhere; and its summary."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

_LINES = 30.0  # seconds between lines where there is no terminal


class Said:
  """Tells what is being done, and rows a second. quiet: says nothing."""

  def __init__(self, console: Console | None = None, quiet: bool = False):
    self._console = console or Console(file=sys.stderr, quiet=quiet)
    self.seconds: dict[str, float] = {}

  def say(self, text: str) -> None:
    self._console.print(text, highlight=False, markup=False, soft_wrap=True)

  @contextmanager
  def stage(self, name: str, what: str):
    """Yields fn(rows): so many more are done. name: of the stage in the report."""
    began, rows, told = time.monotonic(), 0, time.monotonic()
    bar = None
    if self._console.is_terminal:
      columns = (
        SpinnerColumn(),
        TextColumn(what),
        TextColumn("{task.fields[rows]}"),
        TimeElapsedColumn(),
      )
      bar = Progress(*columns, console=self._console, transient=True)
      task = bar.add_task("", total=None, rows="")
      bar.start()

    def done(more: int) -> None:
      nonlocal rows, told
      rows += more
      now = time.monotonic()
      text = f"{rows:,} rows, {rows / max(now - began, 1e-3):,.0f}/s"
      if bar:
        bar.update(task, rows=text)
      elif now - told > _LINES:
        told = now
        self.say(f"{what}: {text}")

    try:
      yield done
    finally:
      if bar:
        bar.stop()
      self.seconds[name] = round(time.monotonic() - began, 3)


def summary(report: dict[str, Any]) -> list[Table]:
  """The report as tables for a terminal: sources, steps, splits."""
  from rich.markup import escape

  sources = _table("sources", "source", "read", "bad", "kept")
  for s in report["sources"]:
    sources.add_row(escape(s["name"]), *(f"{s[k]:,}" for k in ("read", "bad", "kept")))
  steps = _table("left out", "step", "rows", "why")
  for step in report["steps"]:
    for reason, count in sorted(step["dropped"].items(), key=lambda item: -item[1]):
      steps.add_row(escape(step["name"]), f"{count:,}", escape(reason))
  found = report["duplicates"]
  for kind in ("exact", "near"):
    if found[kind]:
      steps.add_row("duplicates", f"{found[kind]:,}", kind)
  splits = _table("written", "split", "rows", "words", "tokens")
  for name, s in report["splits"].items():
    splits.add_row(name, *(f"{s[k]:,}" for k in ("rows", "words", "tokens")))
  return [sources, *([steps] if steps.row_count else []), splits]


def _table(title: str, *columns: str) -> Table:
  out = Table(title=title, title_justify="left", expand=False)
  for i, column in enumerate(columns):
    number = column in ("rows", "read", "bad", "kept", "words", "tokens")
    out.add_column(
      column, justify="right" if number else "left", overflow="fold" if i == 0 else "ellipsis"
    )
  return out
