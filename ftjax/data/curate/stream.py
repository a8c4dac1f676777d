"""What there is to read, in pieces of work: streams of parts, cut into chunks.

A stream is several small files of one source, read by one worker, or one large part, which the
parent process reads and hands out chunk by chunk. The order of streams, parts and rows is the
order of the dataset; how many workers there are and how large a chunk is changes none of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ftjax.config import InputError
from ftjax.data.curate import rows
from ftjax.data.example import Example, Origin
from ftjax.data.record import LeftOut
from ftjax.data.sources._reading import MEMBER

SOURCE, VALIDATION, PARENT = 0, 1, 2  # sides of a stream
_ROWS = 2000  # of a chunk at most
_FILES = 200  # of a stream at most
_SMALL = 4_000_000  # bytes: a larger part is a stream of its own, read by the parent


@dataclass(frozen=True)
class Input:
  """A part of a source: as the source names it, and the copy to read in its place (or "")."""

  part: str
  copy: str = ""
  bytes: int = 0
  sha256: str = ""  # "" for what is no file


@dataclass(frozen=True)
class Stream:
  """number: its place in the order of all. side: SOURCE, VALIDATION or PARENT. index: of its
  source in the report. large: read by the parent."""

  number: int
  side: int
  index: int
  source: Any
  inputs: tuple[Input, ...]
  large: bool = False

  def examples(self, bad) -> Iterator[Example]:
    from ftjax.data import collect

    for put in self.inputs:
      if not put.copy:
        yield from collect.examples_of_part(self.source, put.part, bad)
        continue
      there = replace(self.source, path=os.path.dirname(put.copy))
      for example in collect.examples_of_part(there, put.copy, bad):
        yield _moved(example, put)


@dataclass(frozen=True)
class Parent:
  """The rows of an earlier version, as one more stream."""

  number: int
  files: tuple[str, ...]
  side: int = PARENT
  index: int = -1
  large: bool = True

  def examples(self, bad) -> Iterator[tuple[Example, str, str]]:
    """(the row, its split, its cluster) of each."""
    del bad
    import pyarrow.parquet as pq

    for path in self.files:
      for table in pq.ParquetFile(path).iter_batches(batch_size=1000):
        for row in table.to_pylist():
          yield rows.from_columns(row), row["split"], row["cluster"]


@dataclass
class Raw:
  """A chunk before the steps. read: the rows of the stream before its end, for resuming."""

  stream: int
  number: int
  side: int
  index: int
  examples: list[Any] = field(default_factory=list)
  bad: list[dict[str, str]] = field(default_factory=list)
  bad_count: int = 0
  left_out: list[str] = field(default_factory=list)
  last: bool = False

  @property
  def name(self) -> str:
    return f"{self.stream:06d}-{self.number:06d}"


_BAD = 100  # malformed rows of a chunk whose messages are kept


def cut(stream: Stream | Parent, limit: int, done: int = 0) -> Iterator[Raw]:
  """The chunks of a stream: each of up to 2,000 rows and about `limit` characters. done: chunks
  that are finished; their rows are read and passed over. The last has `last` set, and may be
  empty."""
  number, size = 0, 0
  fresh = lambda: Raw(stream.number, number, stream.side, stream.index)
  raw = fresh()

  def bad(error: InputError) -> None:
    if isinstance(error, LeftOut):
      raw.left_out.append(str(error))
      return
    raw.bad_count += 1
    if len(raw.bad) < _BAD:
      raw.bad.append({"place": _place(str(error)), "message": str(error)})

  for example in stream.examples(bad):
    if len(raw.examples) >= _ROWS or (size >= limit and raw.examples):
      if number >= done:
        yield raw
      number, size = number + 1, 0
      raw = fresh()
    raw.examples.append(example)
    size += _size(example[0] if isinstance(example, tuple) else example)
  raw.last = True
  yield raw


def _size(example: Example) -> int:
  return len(example.text) + sum(len(m["content"]) for m in (*example.messages, *example.rejected))


def _place(message: str) -> str:
  """What stands before the ": " of an error: the place that it names."""
  return message.partition(": ")[0]


def _moved(example: Example, put: Input) -> Example:
  """With the path of the input, not of its copy."""
  o = example.origin
  path = o.path.replace(put.copy, put.part)
  return replace(example, origin=Origin(o.source, path, o.row, o.licence, o.date, o.url))


def streams(sources: list[tuple[int, int, Any, list[Input]]], first: int = 0) -> list[Stream]:
  """sources: (side, index, source, inputs) in order. Small files of a source go together."""
  out: list[Stream] = []

  def add(side, index, source, inputs, large=False):
    if inputs:
      out.append(Stream(first + len(out), side, index, source, tuple(inputs), large))

  for side, index, source, inputs in sources:
    group, size = [], 0
    for put in inputs:
      alone = put.bytes > _SMALL or not (put.sha256 or MEMBER in put.part) or len(inputs) == 1
      if alone or len(group) >= _FILES or size + put.bytes > _SMALL:
        add(side, index, source, group)
        group, size = [], 0
      if alone:
        add(side, index, source, [put], large=True)
      else:
        group, size = [*group, put], size + put.bytes
    add(side, index, source, group)
  return out


def inputs_of(source: Any) -> list[Input]:
  """Every part of a source, with the size of members of zip archives, and the size and SHA-256 of local
  files."""
  from ftjax.data.sources import _zip
  from ftjax.storage import digest

  out = []
  sizes: dict[str, dict[str, int]] = {}
  for part in source.parts():
    path = Path(part)
    if "://" not in part and path.is_file():
      out.append(Input(part, "", os.path.getsize(path), digest(path)))
    elif MEMBER in part and (archive := part.partition(MEMBER)[0]).lower().endswith(".zip"):
      if archive not in sizes:
        sizes = {archive: _zip.sizes(archive)}
      out.append(Input(part, "", sizes[archive].get(part.partition(MEMBER)[2], 0)))
    else:
      out.append(Input(part))
  return out
