"""A version's folder, written in a stream of rows: Parquet shards, other formats, figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ftjax import plugin, storage
from ftjax.config import InputError
from ftjax.data.curate import chunk, rows
from ftjax.data.curate.decide import Decision
from ftjax.data.curate.gather import Table
from ftjax.data.example import Example
from ftjax.data.versions.manifest import DATA, MANIFEST, Version

_GROUP = 1000  # rows of a Parquet row group; about as many are in memory at a time
_GROUP_CHARACTERS = 16_000_000


def stream(
  table: Table, decision: Decision, split: int | None = None
) -> Iterator[tuple[int, Example]]:
  """(row, example) of the kept rows (of one split), in the version's order, chunk after chunk."""
  mine = np.zeros(len(table), bool)
  mine[decision.order] = True
  if split is not None:
    mine &= decision.split == split
  for number in np.unique(table.chunk[decision.order]).tolist():
    here = table.rows(number)
    if mine[here].any():
      for at, example in chunk.examples(table.folders[number], mine[here]):
        yield here.start + at, example


def parquet(
  folder: Path, table: Table, decision: Decision, kind: str, shard_rows: int, see, progress
) -> None:
  """Writes train-, validation- and test- shards. see(row, example, split): told of each row.

  Written through Python's files, so that a full disk is an OSError with its number.
  """
  import pyarrow as pa
  import pyarrow.parquet as pq

  keys = {key for s in table.stats for key in s["message"]}
  schema = rows.schema(kind, "weight" in keys, keys - {"role", "content", "weight"})
  keys = np.ascontiguousarray(decision.key.astype(">u8"))
  (folder / DATA).mkdir()
  for number, name in enumerate(rows.SPLITS):
    total = int((decision.split[decision.order] == number).sum())
    shards = max(1, -(-total // shard_rows)) if total else 0
    source = stream(table, decision, number)
    for shard in range(shards):
      left = min(shard_rows, total - shard * shard_rows)
      path = folder / DATA / f"{name}-{shard:05d}-of-{shards:05d}.parquet"
      with open(path, "wb") as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while left:
          group, size = [], 0
          while left and len(group) < _GROUP and size < _GROUP_CHARACTERS:
            row, example = next(source)
            group.append(rows.columns(example, keys[row].tobytes().hex(), name))
            size += len(example.response) + len(example.prompt)
            see(row, example, name)
            left -= 1
          writer.write_table(pa.Table.from_pylist(group, schema=schema))
          progress(len(group))


def other(folder: Path, name: str, table: Table, decision: Decision) -> None:
  """Writes one of the formats beside Parquet into `folder`: train.jsonl and so on."""
  write = plugin.load("ftjax.data.write", name).write
  folder.mkdir(exist_ok=True)
  for number, split in enumerate(rows.SPLITS):
    if (decision.split[decision.order] == number).any():
      write((e for _, e in stream(table, decision, number)), str(folder / f"{split}.jsonl"))


def or_warning(folder: Path, name: str, table: Table, decision: Decision) -> list[str]:
  """As `other`; where the format cannot say a row, a warning that names it, and no folder: one row
  must not undo the work on all of them."""
  try:
    other(folder, name, table, decision)
  except InputError as e:
    storage.remove(folder)
    return [_not_written(name, e)]
  return []


def _not_written(name: str, error: InputError) -> str:
  return f"The format {name} was not written, as it cannot say every row. {error}"


def digests(folder: Path) -> dict[str, dict[str, Any]]:
  """{name: {"bytes", "sha256"}} of every file in a folder."""
  paths = sorted(p for p in folder.rglob("*") if p.is_file())
  return {
    p.relative_to(folder).as_posix(): {"bytes": p.stat().st_size, "sha256": storage.digest(p)}
    for p in paths
  }


def with_formats(
  version: Version, wanted: list[str], table: Table, decision: Decision, say: Callable[[str], None]
) -> Version:
  """The version, with the formats that its folder lacks written into it: each appears whole, then
  the manifest names it. say: told of a format that cannot say every row."""
  missing = [name for name in wanted if not (version.folder / name).is_dir()]
  for name in missing:
    try:
      with storage.atomic_path(version.folder / name) as temporary:
        other(temporary, name, table, decision)
    except InputError as e:
      say(f"warning: {_not_written(name, e)}")
      continue
    for file, entry in digests(version.folder / name).items():
      version.manifest["files"][f"{name}/{file}"] = entry
  if missing:
    text = json.dumps(version.manifest, indent=1, ensure_ascii=False) + "\n"
    storage.write_text(version.folder / MANIFEST, text)
  return version
