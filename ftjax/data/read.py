"""What `data.train` names, as records: files, globs, hubs, and weighted mixtures of them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from ftjax import plugin, storage
from ftjax.config import InputError
from ftjax.data import files
from ftjax.data.record import Record
from ftjax.data.versions import training
from ftjax.data.versions.manifest import Version

_ROWS = ("jsonl", "json", "csv", "parquet")  # sources of files that may be trained on as they are


def read(spec: str | Sequence[Any], key: str = "data.train", split: str = "train") -> list[Record]:
  """All records that `spec` names, in order.

  spec: a path, a glob, "hf:NAME[:SPLIT]", "tfds:NAME[:SPLIT]", the folder of a prepared version (or
  the one that holds them, for the newest), of which the rows of `split` are read, or of
  "FOLDER:SPLIT"; several of them between commas or in a list; each with a weight if wanted: "a.jsonl@0.7, b.jsonl@0.3" or [("a.jsonl", 0.7),
  ("b.jsonl", 0.3)]. Weights are shares of the mixture: it has as many rows as all sources
  together, and a source is repeated or thinned to its share (the same rows each time). Without
  weights every row comes once.

  Raises InputError for a spec without files, an unknown suffix, a bad weight, a source without
  rows.
  """
  parts = [_weighted(part) for part in _parts(spec)]
  if not parts:
    raise InputError(
      f"{key} is empty. Give a path, a glob, hf:NAME or tfds:NAME, as in {key}=rows.jsonl."
    )
  sources = []
  for name, _ in parts:
    rows = list(_records(name, key, split))
    if not rows:
      raise InputError(f"{name!r} has no rows.")
    sources.append(rows)
  weights = [weight for _, weight in parts]
  if all(w is None for w in weights):
    return [record for rows in sources for record in rows]
  if None in weights or min(weights) <= 0:
    raise InputError(f"{key}={spec!r}: give every source a weight above 0, or none of them.")
  total = sum(map(len, sources))
  counts = [round(total * w / sum(weights)) for w in weights]
  return [r for rows, n in zip(sources, counts, strict=True) for r in _sized(rows, n)]


def _parts(spec: str | Sequence[Any]) -> list[Any]:
  if isinstance(spec, str):
    return files.split(spec)
  if len(spec) == 2 and isinstance(spec[0], str) and isinstance(spec[1], (int, float)):
    return [spec]  # One (source, weight) pair.
  return list(spec)


def _weighted(part: Any) -> tuple[str, float | None]:
  if not isinstance(part, str):
    if len(part) != 2:
      raise InputError(f"data.train: {part!r} must be a path or a (path, weight) pair.")
    return str(part[0]), float(part[1])
  found = re.fullmatch(r"(.+)@(-?[0-9]*\.?[0-9]+)", part)
  if os.path.lexists(os.path.expanduser(part)):
    found = None
  return (found[1].strip(), float(found[2])) if found else (part, None)


def versions(spec: str | Sequence[Any]) -> list[Version]:
  """The prepared versions among what `spec` names, but for those of which it names a split."""
  opened = (training.open_version(name) for name, _ in map(_weighted, _parts(spec)))
  return [found[0] for found in opened if found and not found[1]]


def _records(name: str, key: str, split: str) -> Iterator[Record]:
  if found := training.open_version(name):
    yield from training.records(found[0], found[1] or split)
    return
  kind, rest = files.by_name(name)
  if kind in files.HUBS or kind == "wp":
    yield from plugin.load(files.SOURCES, kind).records(rest)
    return
  if os.path.isdir(os.path.expanduser(rest)):
    raise InputError(_prepare_first(rest, key))
  for path in storage.expand(rest):
    yield from plugin.load(files.SOURCES, kind or files.source_of(path)).records(path)


def _prepare_first(folder: str, key: str) -> str:
  """What to do with a folder that is no version of a dataset."""
  names = os.listdir(os.path.expanduser(folder))
  if {"dataset_dict.json", "state.json"} & set(names):
    return f"{folder} is a dataset of Hugging Face's `datasets`: say {key}=hf:{folder}."
  told = (
    f"{folder} is a folder of files, not a prepared dataset. Prepare it first:\n"
    f"python scripts/prepare_data.py --config.sources={shlex.quote(folder)} --config.output=prepared\n"
    f"and read the result: {key}=prepared."
  )
  rows = sorted({s for s in (files.suffix_of(n) for n in names) if files.SUFFIXES.get(s) in _ROWS})
  listed = " or ".join(f"{key}='{folder.rstrip('/')}/*{suffix}'" for suffix in rows)
  return told + (f" Its rows as they are: {listed}." if rows else "")


def _sized(rows: list[Record], count: int) -> list[Record]:
  """`count` records: all of them as often as they fit whole, then those whose content hashes
  lowest, in order."""
  whole, rest = divmod(count, len(rows))
  order = sorted(range(len(rows)), key=lambda i: (_hash(rows[i]), i))
  return rows * whole + [rows[i] for i in sorted(order[:rest])]


def _hash(record: Record) -> bytes:
  text = json.dumps(record.fields, sort_keys=True, default=str)
  return hashlib.blake2b(text.encode(), digest_size=8).digest()
