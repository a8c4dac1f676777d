"""A chunk of rows through every step: what a worker does. Everything that it finds is written at
once, as one folder that appears whole."""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from ftjax import plugin, storage
from ftjax.data.curate import rows
from ftjax.data.curate.excerpt import pair
from ftjax.data.curate.stream import PARENT, Parent, Raw, Stream, cut
from ftjax.data.example import Drop, Example

ROWS, ARRAYS, SKETCH, STATS = "rows.arrow", "arrays.npz", "sketch.npz", "stats.json"
DONE, KIND = ".done", "kind.json"
_CHANGED = "changed"


@dataclass(frozen=True)
class Job:
  """What every chunk of a preparation has in common. settings: as JSON, so that it is hashable.
  judge: whether a parent's rows pass the steps again."""

  folder: str
  settings: str
  limit: int
  judge: bool = False


def read_stream(job: Job, stream: Stream | Parent, done: int) -> int:
  """Reads a stream and works on its chunks in turn; how many rows it gave."""
  return sum(work(job, raw) for raw in cut(stream, job.limit, done))


def work(job: Job, raw: Raw) -> int:
  """Puts one chunk through the steps and writes it; how many rows went in."""
  kept, stats, arrays = _through(job, raw)
  _check_kinds(job, kept, stats["kinds"])
  folder = Path(job.folder) / raw.name
  storage.remove(folder)
  with storage.atomic_path(folder) as temporary:
    temporary.mkdir()
    _write(temporary, job, kept, stats, arrays)
  if raw.last:
    storage.write_text(Path(job.folder) / f"{raw.stream:06d}{DONE}", str(raw.number + 1))
  return len(raw.examples)


@functools.lru_cache(maxsize=2)
def _steps(settings: str) -> tuple[list, int]:
  from ftjax.data.clean.steps import steps

  parsed = json.loads(settings)
  return steps(ConfigDict(parsed)), parsed["card"]["examples"]


def _through(job: Job, raw: Raw):
  steps, limit = _steps(job.settings)
  tables = [
    {"name": s.name, "in": 0, "out": 0, "dropped": Counter(), "changed": 0, "counts": Counter(), "examples": []}
    for s in steps
  ]  # fmt: skip
  known = raw.side == PARENT
  kept: list[Example] = []
  changes, splits, clusters = [], [], []
  kinds: dict[str, str] = {}
  for given in raw.examples:
    example, split, cluster = given if known else (given, "", "")
    count = 0
    for step, table in zip(steps, tables, strict=True) if job.judge or not known else ():
      table["in"] += 1
      after = step(example, table["counts"])
      if isinstance(after, Drop):
        table["dropped"][after.reason] += 1
        _show(table, limit, after.reason, after.detail, example, None)
        break
      table["out"] += 1
      if after is not example and (after.text, after.messages, after.rejected) != (
        example.text, example.messages, example.rejected,
      ):  # fmt: skip
        table["changed"] += 1
        count += 1
        _show(table, limit, _CHANGED, "", example, after)
      example = after
    else:
      example = rows.writable(example)
      kept.append(example)
      kinds.setdefault(example.kind, example.origin.place)
      changes.append(count)
      splits.append(rows.SPLITS.index(split) if split else -1)
      clusters.append(cluster)
  stats = {
    "stream": raw.stream, "number": raw.number, "side": raw.side, "index": raw.index, "last": raw.last,
    "read": len(raw.examples), "kept": len(kept), "bad": raw.bad, "bad_count": raw.bad_count,
    "left_out": raw.left_out, "kinds": kinds,
    "message": sorted({k for e in kept for m in (*e.messages, *e.rejected) for k in m}),
    "steps": tables,
  }  # fmt: skip
  responses = [e.response for e in kept]
  arrays = {
    "id": _hashes([bytes.fromhex(e.id) for e in kept]),
    "digest": _hashes([rows.digest(e) for e in kept]),
    "cluster": _hashes([bytes.fromhex(c) if c else bytes(16) for c in clusters]),
    "split": np.asarray(splits, np.int8),
    "changes": np.minimum(changes, 255).astype(np.uint8),
    "words": np.asarray([len(r.split()) for r in responses], np.int64),
    "length": np.asarray([len(r) for r in responses], np.int64),
    "source": np.asarray([source_key(e.origin.source) for e in kept], np.uint64),
  }
  return kept, stats, arrays


def _check_kinds(job: Job, kept: list[Example], kinds: dict[str, str]) -> None:
  """Raises InputError, while there is little work to lose, for rows of another kind than the first
  chunk's, and for documents where a format of conversations is asked for."""
  from ftjax.data.curate.settings import formats

  path = Path(job.folder) / KIND
  seen = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
  if kinds and not seen:
    storage.write_text(path, json.dumps(kinds))
  rows.one_kind(seen | {k: v for k, v in kinds.items() if k not in seen})
  if kept and kept[0].kind == "text":
    for name in formats(json.loads(job.settings)):
      plugin.load("ftjax.data.write", name).row(kept[0])


def _show(table: dict, limit: int, reason: str, detail: str, before: Example, after) -> None:
  """Keeps the first few of a kind for the report, without personal data."""
  shown = table["examples"]
  if sum(e["reason"] == reason for e in shown) < limit:
    shown.append(
      {"reason": reason, "detail": detail, "place": before.origin.place} | pair(before, after)
    )


def _hashes(values: list[bytes]) -> np.ndarray:
  """uint64 [n, 2], big-endian in value, so that their order is the hex digits' order."""
  return np.frombuffer(b"".join(values), ">u8").reshape(-1, 2).astype(np.uint64)


def source_key(name: str) -> int:
  """A source's name as a number, for the arrays."""
  return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest())


def _write(folder: Path, job: Job, kept: list[Example], stats: dict, arrays: dict) -> None:
  import pyarrow as pa

  from ftjax.data.dedup.signatures import sketch

  table = pa.table({"row": pa.array([rows.to_json(e) for e in kept], pa.large_string())})
  with open(folder / ROWS, "wb") as f:
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_file(f, table.schema, options=options) as writer:
      writer.write_table(table, max_chunksize=256)
  with open(folder / ARRAYS, "wb") as f:
    np.savez(f, **arrays)
  sketch(kept, json.loads(job.settings)["dedup"]).save(folder / SKETCH)
  storage.write_text(folder / STATS, json.dumps(stats))


def examples(folder: Path, keep: np.ndarray | None = None):
  """(index, example) of a finished chunk's rows, or of those where `keep` is true."""
  import pyarrow as pa

  at = 0
  with pa.OSFile(str(folder / ROWS)) as f:
    reader = pa.ipc.open_file(f)
    for i in range(reader.num_record_batches):
      lines = reader.get_batch(i).column(0)
      for j in range(len(lines)):
        if keep is None or keep[at + j]:
          yield at + j, rows.from_json(lines[j].as_py())
      at += len(lines)
