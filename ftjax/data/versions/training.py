"""Training on a version: its rows as records, and the note of which one a run trained on."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ftjax import storage
from ftjax.config import InputError
from ftjax.data.record import Record
from ftjax.data.versions import manifest as versions
from ftjax.data.versions.manifest import Version

RECORD = "data.json"
SPLITS = ("train", "validation", "test")
_CONTENT = ("text", "messages")


def open_version(path: str) -> tuple[Version, str] | None:
  """(the version, the split or "") that a path of `data.train` names, its files compared with their
  digests; None for a path that is something else. A path is a version's folder or the one that
  holds versions, and may end in a split, as in "prepared:test". Raises InputError for a damaged
  version."""
  folder, _, split = path.rpartition(":")
  if split not in SPLITS or not folder:
    folder, split = path, ""
  place = Path(folder).expanduser()
  if not place.is_dir() or not versions.is_version(place):
    return None
  version = versions.find(place)
  stats = [p.stat() for p in map(version.folder.joinpath, version.manifest["files"]) if p.is_file()]
  return _sound(version.folder, tuple((s.st_size, s.st_mtime_ns) for s in stats)), split


@functools.lru_cache(maxsize=16)
def _sound(folder: Path, state: tuple[tuple[int, int], ...]) -> Version:
  """A version whose files were compared with their digests. state: sizes and times of its files; what
  is as it was is not read again, as one run asks several times."""
  del state
  return versions.read(folder).check()


def held_out(spec: Any) -> Any:
  """A path to evaluate on: where it is a version without a split named, its validation rows."""
  found = open_version(spec) if isinstance(spec, str) else None
  return f"{spec}:validation" if found and not found[1] else spec


def pinned(spec: Any, workdir: str | Path) -> Any:
  """`data.train` as a run began with it: a folder of versions, whose newest may be another one by
  now, gives way to the version that the run recorded."""
  path = Path(workdir) / RECORD
  if not path.is_file() or not isinstance(spec, str):
    return spec
  if not (Path(spec).expanduser() / versions.LATEST).is_file():
    return spec
  return _recorded(path)[0]["path"]


def newer(spec: Any, workdir: str | Path) -> list[str]:
  """That the folder of versions which `data.train` names has another newest version than the run
  recorded; nothing where it has not."""
  began = pinned(spec, workdir)
  if began == spec:
    return []
  now, then = versions.latest(spec), versions.read(began)
  if now.hash == then.hash:
    return []
  return [f"{spec} has a newer version: {then.name} then, {now.name} now"]


def records(version: Version, split: str) -> Iterator[Record]:
  """The rows of a split. Their places are those in the original sources."""
  import pyarrow.parquet as pq

  for path in version.shards(split):
    for table in pq.ParquetFile(path).iter_batches(batch_size=1000):
      for row in table.to_pylist():
        place = f"{row['path']}:{row['row']}" if row["row"] else row["path"]
        fields = {name: row[name] for name in _CONTENT if name in row}
        yield Record(fields, f"{place} (version {version.name})")


def check_kind(version: Version) -> None:
  """Raises InputError for preference pairs, of which supervised fine-tuning would use a half."""
  if version.kind == "preference":
    raise InputError(
      f"{version.folder} holds preference pairs, not rows to imitate. To fine-tune on the chosen answers, say "
      "data.format=messages."
    )


def notes(version: Version) -> list[str]:
  """What of a version training does not use, for the report before a run."""
  import pyarrow.compute as pc
  import pyarrow.parquet as pq

  weighted = 0
  for path in version.shards("train"):
    for table in pq.ParquetFile(path).iter_batches(columns=["weight"]):
      weighted += pc.sum(pc.not_equal(table.column(0), 1.0)).as_py() or 0
  out = [
    f"the rows are those of version {version.name}; its validation rows are held out, no others"
  ]
  if weighted:
    out.append(f"{weighted:,} rows have a weight other than 1, which training does not use")
  return out


def facts(version: Version) -> dict[str, Any]:
  """What a run keeps of the version that it trained on."""
  return {
    "version": version.hash,
    "path": str(version.folder.resolve()),
    "kind": version.kind,
    "counts": version.manifest["counts"],
    "parent": version.manifest["parent"],
  }


def record(workdir: str | Path, trained_on: list[dict[str, Any]]) -> None:
  """Notes the versions that a run begins with in its data.json; where there are none it has none."""
  path = Path(workdir) / RECORD
  if trained_on:
    storage.write_text(path, json.dumps({"versions": trained_on}, indent=2) + "\n")
  else:
    storage.remove(path)


def check(workdir: str | Path, trained_on: list[dict[str, Any]]) -> None:
  """Raises InputError where a run began with other versions, as when LATEST has moved on since."""
  path = Path(workdir) / RECORD
  before = _recorded(path) if path.is_file() else []
  old, new = ([v["version"] for v in some] for some in (before, trained_on))
  if before and old != new:
    raise InputError(
      f"The run in {workdir} trains on version {', '.join(v[: versions.SHORT] for v in old)}, and data.train is "
      f"{', '.join(v[: versions.SHORT] for v in new) or 'no version'} now. To go on, name the old one: "
      f"data.train={before[0]['path']}. Or give another --workdir."
    )


def _recorded(path: Path) -> list[dict[str, Any]]:
  try:
    found = json.loads(path.read_bytes())["versions"]
    return [{"version": str(v["version"]), "path": str(v["path"])} for v in found]
  except (ValueError, TypeError, KeyError) as e:
    raise InputError(
      f"{path}, the note of the versions that the run trains on, cannot be read ({type(e).__name__}: {e}). Restore "
      "it, or remove it and name the version's own folder in data.train."
    ) from e
