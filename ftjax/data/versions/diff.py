"""What two versions of a dataset differ in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ftjax.data.curate import rows
from ftjax.data.curate.excerpt import excerpt, text_of
from ftjax.data.curate.settings import changed
from ftjax.data.versions.manifest import Version

_SHOWN = 5


@dataclass
class Diff:
  """From `old` to `new`: ids that only one of them has, rows whose split differs, and settings.

  added, removed: {id: split}. moved: {id: (old split, new split)}. examples: {id: an excerpt} of a
  few of them.
  """

  old: Version
  new: Version
  added: dict[str, str] = field(default_factory=dict)
  removed: dict[str, str] = field(default_factory=dict)
  moved: dict[str, tuple[str, str]] = field(default_factory=dict)
  settings: dict[str, list[Any]] = field(default_factory=dict)
  examples: dict[str, str] = field(default_factory=dict)

  @property
  def empty(self) -> bool:
    return not (self.added or self.removed or self.moved or self.settings)


def diff(old: Version, new: Version) -> Diff:
  """Compares rows by id (their content). Holds the ids of both versions in memory, no texts."""
  before, after = _splits(old), _splits(new)
  out = Diff(old, new)
  out.added = {i: s for i, s in after.items() if i not in before}
  out.removed = {i: s for i, s in before.items() if i not in after}
  out.moved = {i: (before[i], s) for i, s in after.items() if before.get(i, s) != s}
  out.settings = changed(old.manifest["settings"], new.manifest["settings"])
  out.examples = _excerpts(new, list(out.added)[:_SHOWN]) | _excerpts(
    old, list(out.removed)[:_SHOWN]
  )
  return out


def _tables(version: Version, columns: list[str] | None = None) -> Iterator[Any]:
  import pyarrow.parquet as pq

  for split in rows.SPLITS:
    for path in version.shards(split):
      yield from pq.ParquetFile(path).iter_batches(batch_size=4096, columns=columns)


def _splits(version: Version) -> dict[str, str]:
  out: dict[str, str] = {}
  for table in _tables(version, ["id", "split"]):
    out.update(zip(table.column(0).to_pylist(), table.column(1).to_pylist(), strict=True))
  return out


def _excerpts(version: Version, ids: list[str]) -> dict[str, str]:
  wanted, out = set(ids), {}
  for table in _tables(version) if wanted else ():
    at = [i for i, id_ in enumerate(table.column("id").to_pylist()) if id_ in wanted]
    for row in table.take(at).to_pylist() if at else ():
      out[row["id"]] = excerpt(text_of(rows.from_columns(row)))
    if len(out) == len(wanted):
      break
  return out


def table(found: Diff):
  """The difference as a rich table."""
  from rich.table import Table

  out = Table(
    title=f"{found.old.name} -> {found.new.name}",
    show_lines=False,
    title_justify="left",
    expand=False,
  )
  for column in ("", "what", "detail"):
    out.add_column(column, overflow="fold")
  count = lambda ids: ", ".join(
    f"{n:,} {split}" for split in rows.SPLITS if (n := sum(s == split for s in ids.values()))
  )
  for sign, word, ids in (("+", "rows added", found.added), ("-", "rows removed", found.removed)):
    out.add_row(sign, f"{len(ids):,} {word}", count(ids))
    for id_ in list(ids)[:_SHOWN]:
      out.add_row("", f"  {id_[:12]}", _line(found.examples.get(id_, "")))
  out.add_row("~", f"{len(found.moved):,} rows moved", "")
  out.add_row("", f"{len(found.settings):,} settings changed", "")
  for key, (before, after) in found.settings.items():
    out.add_row("", f"  {key}", f"{before!r} -> {after!r}")
  return out


def _line(text: str) -> str:
  from rich.markup import escape

  short = " ".join(text.split())
  return escape(short if len(short) <= 100 else short[:97] + "...")
