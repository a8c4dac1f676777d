"""Sources to finished chunks: the part of a preparation that takes long, and that resumes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ftjax import plugin, storage
from ftjax.data.curate import chunk
from ftjax.data.curate.chunk import ARRAYS, DONE, SKETCH, STATS, Job
from ftjax.data.curate.stream import Parent, Stream, cut

_LIMIT = "limit"


def gather(
  job: Job,
  streams: Sequence[Stream | Parent],
  *,
  engine: str = "local",
  workers: int = 1,
  progress: Callable[[int], None] = lambda rows: None,
) -> list[Path]:
  """Works on every stream that is not finished; returns the folders of all chunks, in order.

  A stream goes on after its last chunk without a gap. Chunks are finished in any order, but each
  is a folder of its own that appears whole, so a process may be killed at any time.
  """
  folder = Path(job.folder)
  folder.mkdir(parents=True, exist_ok=True)
  run = plugin.load("ftjax.data.curate.engines", engine).run
  run(_calls(job, streams), workers, progress)
  return [
    folder / f"{s.number:06d}-{n:06d}"
    for s in streams
    for n in range(int((folder / f"{s.number:06d}{DONE}").read_text()))
  ]


def limit_of(folder: Path, wanted: int) -> int:
  """The size of chunks: that of the run that is resumed, unless a smaller one is wanted now; then
  its chunks go, as theirs would not fit together with new ones."""
  path = folder / _LIMIT
  if path.is_file():
    before = int(path.read_text())
    if before <= wanted:
      return before
    storage.remove(folder)
  storage.write_text(path, str(wanted))
  return wanted


def _calls(job: Job, streams: Sequence[Stream | Parent]) -> Iterator[tuple]:
  folder = Path(job.folder)
  for stream in streams:
    if (folder / f"{stream.number:06d}{DONE}").is_file() and finished(folder, stream.number) > 0:
      continue
    if not stream.large:
      yield chunk.read_stream, job, stream, finished(folder, stream.number)
      continue
    for raw in cut(stream, job.limit):
      if raw.last or not (folder / raw.name).is_dir():
        yield chunk.work, job, raw


def count(folder: Path) -> int:
  """The finished chunks in a folder of unfinished work."""
  return sum(p.is_dir() and not p.name.startswith(".") for p in folder.iterdir())


def finished(folder: Path, stream: int) -> int:
  """The chunks of a stream that are there, up to the first gap."""
  number = 0
  while (folder / f"{stream:06d}-{number:06d}").is_dir():
    number += 1
  return number


@dataclass
class Table:
  """The numbers of every row, chunk after chunk: all that is held of the whole dataset.

  chunk: int32 [N], the index into `folders`. side, index: as the row's stream. id, digest,
  cluster: uint64 [N, 2]. split: int8, -1 where it is not decided. The others as in
  chunk.ARRAYS.
  """

  folders: list[Path]
  stats: list[dict]
  chunk: np.ndarray
  side: np.ndarray
  index: np.ndarray
  columns: dict[str, np.ndarray]

  def __len__(self) -> int:
    return len(self.chunk)

  def __getitem__(self, name: str) -> np.ndarray:
    return self.columns[name]

  @property
  def sketches(self) -> list[Path]:
    return [folder / SKETCH for folder in self.folders]

  def rows(self, chunk: int) -> slice:
    """The rows of a chunk."""
    start, end = np.searchsorted(self.chunk, [chunk, chunk + 1])
    return slice(int(start), int(end))

  def example(self, row: int):
    """One row, read from its chunk."""
    number = int(self.chunk[row])
    keep = np.zeros(self.rows(number).stop - self.rows(number).start, bool)
    keep[row - self.rows(number).start] = True
    return next(e for _, e in chunk.examples(self.folders[number], keep))


def load(folders: Sequence[Path]) -> Table:
  """Reads back the numbers of finished chunks."""
  stats = [json.loads((f / STATS).read_text(encoding="utf-8")) for f in folders]
  counts = [s["kept"] for s in stats]
  columns: dict[str, list[np.ndarray]] = {}
  for folder in folders:
    with np.load(folder / ARRAYS) as arrays:
      for name in arrays.files:
        columns.setdefault(name, []).append(arrays[name])
  each = lambda name: np.repeat(np.asarray([s[name] for s in stats], np.int32), counts)
  return Table(
    list(folders), stats, np.repeat(np.arange(len(folders), dtype=np.int32), counts),
    each("side"), each("index"), {k: np.concatenate(v) for k, v in columns.items()},
  )  # fmt: skip
