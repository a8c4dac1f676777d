"""What scripts/prepare_data.py prints, and its ways of being called."""

from __future__ import annotations

from typing import Any

from ftjax import sizes, storage
from ftjax.config import InputError
from ftjax.data.versions import manifest as versions
from ftjax.data.versions.manifest import LATEST, Version

_BAD = 3  # places of bad input that are printed
_VALUES = {"--update": LATEST, "--replay": None, "--validate": None, "--fix": None}


def arguments(argv: list[str]) -> list[str]:
  """--update alone means the newest version; --diff A B, --replay V and the like need no "="."""
  out, rest = [], list(argv)
  while rest:
    arg = rest.pop(0)
    arg = arg[1:] if arg.startswith("--") and arg[2:3] == "-" else arg
    following = [a for a in rest[:2] if not a.startswith("-")]
    if arg == "--diff" and len(following) == 2:
      out.append(f"--diff={rest.pop(0)},{rest.pop(0)}")
    elif arg in _VALUES and following and rest[0] == following[0]:
      out.append(f"{arg}={rest.pop(0)}")
    elif arg == "--update":
      out.append(f"--update={LATEST}")
    else:
      out.append(arg)
  return out


def two(names: list[str]) -> list[str]:
  if len(names) != 2:
    raise InputError(f"--diff takes two versions, as in --diff 1f3a 9c2e; {len(names)} given.")
  return names


def check(update: str | None, prune: bool, fix: str | None) -> None:
  """Raises InputError for flags that need another one."""
  if prune and not update:
    raise InputError(
      "--prune goes with --update: it leaves out rows of the version that is updated."
    )
  if fix:
    raise InputError("--fix goes with --validate FILE.")


def _console():
  from rich.console import Console

  return Console(soft_wrap=False)


def list_versions(output: str) -> int:
  """A table of the versions in an output folder, newest first."""
  from rich.table import Table

  if not output:
    raise InputError("output is empty. Say which folder, as in --config.output=prepared.")
  newest = versions.latest(output).name
  table = Table(title=f"versions in {output}", title_justify="left", expand=False)
  for column in ("version", "", "created", "rows", "parent"):
    table.add_column(column, no_wrap=column != "rows")
  for name in reversed(versions.names(output)):
    m = versions.read(f"{output}/{versions.VERSIONS}/{name}").manifest
    rows = ", ".join(f"{n:,} {split}" for split, n in m["counts"].items())
    created = m["created"][:16].replace("T", " ")
    mark = versions.LATEST if name == newest else ""
    table.add_row(name, mark, created, f"{rows} ({m['kind']})", (m["parent"] or "")[:8])
  _console().print(table)
  return 0


def show(found) -> int:
  """A difference, as a table."""
  from ftjax.data.versions.diff import table

  _console().print("The two are the same." if found.empty else table(found))
  return 0


def validate(path: str, fix: str | None, max_line: Any) -> int:
  """Each problem of a file with its line (none longer than run.max_line is held); 0 where no error remains, in the mended file where one
  was asked for."""
  from ftjax.data.lint import check as lint

  if fix:
    storage.local(fix, "--fix")
  findings = lint(path, fix, max_line=sizes.parse(max_line, "run.max_line"))
  for line in findings.lines():
    _console().print(line, highlight=False, markup=False, soft_wrap=True)
  return findings.status


def bad_lines(report: dict) -> list[str]:
  """The first places that could not be read, and how many more there are."""
  total = sum(s["bad"] for s in report["sources"])
  lines = [f"bad      {b['message']}" for b in report["bad"][:_BAD]]
  more = total - len(lines)
  return lines + ([f"         and {more:,} more: see the card"] if more > 0 else [])


def finished(version: Version) -> int:
  """The summary, the card's path and the command that trains on it."""
  from ftjax.data.card.content import train_command
  from ftjax.data.curate.progress import summary

  console, report = _console(), version.report
  for table in summary(report):
    console.print(table)
  plain = dict(highlight=False, markup=False, soft_wrap=True)
  for line in bad_lines(report):
    console.print(line, **plain)
  for warning in report["warnings"]:
    console.print(f"warning  {warning}", **plain)
  console.print(f"version  {version.name}", **plain)
  console.print(f"card     {version.folder / 'card.html'}", **plain)
  console.print(f"train    {train_command(str(version.folder), report['kind'])}", **plain)
  return 0
