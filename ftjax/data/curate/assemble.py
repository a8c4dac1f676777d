"""Finished chunks to a version's folder, which appears at once and whole."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ftjax import storage
from ftjax.config import InputError
from ftjax.data.curate import decide, figures, publish, rows, warned
from ftjax.data.curate import settings as settings_
from ftjax.data.curate.decide import Decision
from ftjax.data.curate.gather import Table
from ftjax.data.curate.stream import PARENT, VALIDATION
from ftjax.data.versions import manifest as versions
from ftjax.data.versions.manifest import Version

_LIBRARIES = (
  "ftjax", "ftfy", "jinja2", "lxml", "numpy", "py3langid", "pyarrow", "pypdf", "tokenizers", "trafilatura",
  "transformers", "presidio-analyzer",
)  # fmt: skip
_INLINE = 1000  # added or removed ids in the manifest itself


@dataclass(frozen=True)
class Taken:
  """A source of the config, and what it read. side, index: as of its streams."""

  name: str
  path: str
  licence: str
  side: int
  index: int
  source: Any
  inputs: list[Any]
  entry: Any


def kind_of(table: Table) -> str:
  """The one kind of all rows. Raises InputError naming a row of each where there are several."""
  first: dict[str, str] = {}
  for stats in table.stats:
    for kind, place in stats["kinds"].items():
      first.setdefault(kind, place)
  return rows.one_kind(first)


def check_not_empty(table: Table, decision: Decision) -> None:
  """Raises InputError, naming what left rows out, where none is left."""
  if len(decision.order):
    return
  counts = read_counts(table).values()
  read, bad = sum(c["read"] for c in counts), sum(c["bad"] for c in counts)
  told = []
  for step in figures.steps(table, 1):
    detail = {e["reason"]: f" ({e['detail']})" for e in step["examples"] if e["detail"]}
    told += [
      f"{step['name']} dropped {n:,} as {r}{detail.get(r, '')}" for r, n in step["dropped"].items()
    ]
  first = next((b["message"] for s in table.stats for b in s["bad"]), "")
  raise InputError(
    f"No row is left: {read:,} were read, {bad:,} could not be. "
    f"{'; '.join(told) + '. ' if told else ''}{first or ('' if told else 'The sources are empty.')} "
    "Check the sources, and the thresholds of the steps named."
  )


def report_of(
  table, decision, taken, settings, parent: Version | None, read: dict, written
) -> dict[str, Any]:
  """report.json but for what only writing finds."""
  limit = settings["card"]["examples"]
  steps = figures.steps(table, limit) + figures.later(table, decision, limit)
  steps += figures.old_rows(table, decision, limit)
  sources = []
  if parent is not None:
    n = int((table.side == PARENT).sum())
    sources.append(
      {"name": f"version {parent.name}", "path": str(parent.folder), "licence": "as stated there", "read": n,
       "bad": 0, "kept": int((table.side[decision.order] == PARENT).sum()), "bytes": sum(parent.manifest["files"][n]["bytes"] for n in parent.manifest["files"] if n.startswith(versions.DATA))}
    )  # fmt: skip
  kept = lambda t: int(
    ((table.side[decision.order] == t.side) & (table.index[decision.order] == t.index)).sum()
  )
  for t in taken:
    counts = read[t.side, t.index]
    sources.append(
      {"name": t.name, "path": t.path, "licence": t.licence, "read": counts["read"], "bad": counts["bad"],
       "kept": kept(t), "bytes": sum(i.bytes for i in t.inputs)}
    )  # fmt: skip
  return {
    "sources": sources, "bad": figures.bad(table), "steps": steps,
    "duplicates": figures.duplicates(table, decision, limit),
    "pii": figures.step_counts(steps, "pii"), "secrets": figures.step_counts(steps, "secrets"),
    "languages": figures.step_counts(steps, "language"),
    "settings": settings_.recorded(settings), "tokenizer": settings["card"]["tokenizer"],
    "warnings": [],
  }  # fmt: skip


def read_counts(table: Table) -> dict[tuple[int, int], dict[str, int]]:
  """{(side, index): {"read", "bad"}} of every source."""
  out: dict[tuple[int, int], dict[str, int]] = {}
  for s in table.stats:
    counts = out.setdefault((s["side"], s["index"]), {"read": 0, "bad": 0})
    counts["read"] += s["read"]
    counts["bad"] += s["bad_count"]
  return out


def manifest_of(
  hash_: str, kind: str, table, decision, taken, settings, parent: Version | None, report
):
  """The manifest but for its list of files."""
  key = lambda t: "validation" if t.side == VALIDATION else "sources"
  sources: dict[str, list] = {"sources": [], "validation": []}
  for t in taken:
    files = [{"path": i.part, "bytes": i.bytes, "sha256": i.sha256} for i in t.inputs]
    sources[key(t)].append({"name": t.name, "entry": t.entry, "inputs": files})
  out = {
    "version": hash_, "kind": kind, "created": report["created"], "parent": parent.hash if parent else None,
    "counts": {s: c["rows"] for s, c in report["splits"].items()}, **sources,
    "settings": settings_.recorded(settings), "libraries": libraries(),
  }  # fmt: skip
  if parent is not None:
    new, before = decide.keys(table["id"][decision.order]), _parent_ids(parent)
    out["changed_settings"] = settings_.changed(parent.manifest["settings"], settings)
    out["added"] = _hex(new[~np.isin(new, before)])
    out["removed"] = sorted(_hex(before[~np.isin(before, new)]))
  return out


def _hex(keys: np.ndarray) -> list[str]:
  return [key.ljust(16, b"\0").hex() for key in keys.tolist()]


def _parent_ids(parent: Version) -> np.ndarray:
  """S16 [rows]: the ids of a version, 16 bytes each in memory."""
  import pyarrow.parquet as pq

  parts = [np.zeros(0, "S16")]
  for path in (p for split in ("train", "validation", "test") for p in parent.shards(split)):
    for table in pq.ParquetFile(path).iter_batches(batch_size=65536, columns=["id"]):
      parts.append(np.frombuffer(bytes.fromhex("".join(table.column(0).to_pylist())), "S16"))
  return np.concatenate(parts)


def libraries() -> dict[str, str]:
  """The versions of what rows depend on."""
  out = {"python": platform.python_version()}
  for name in _LIBRARIES:
    try:
      out[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
      continue
  return out


def now() -> str:
  return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def write(
  output: Path, hash_: str, kind, table, decision, taken, settings, parent, said, *, prune=False
) -> Version:
  """Writes the version `hash_` of `output` and returns it."""
  from ftjax.data.balance import Balance
  from ftjax.data.card import write as write_card
  from ftjax.data.diversity import Diversity
  from ftjax.data.lengths import Lengths
  from ftjax.data.tokens import TokenCounter

  name = hash_[: versions.SHORT]
  folder = output / versions.VERSIONS / name
  counter = TokenCounter(settings["card"]["tokenizer"])
  written = figures.Written(counter, Balance(), Lengths(), Lengths(), Diversity())
  report = {
    "version": name,
    "kind": kind,
    "created": now(),
    "parent": parent.name if parent else None,
  }
  read = read_counts(table)
  report |= report_of(table, decision, taken, settings, parent, read, written)
  with storage.atomic_path(folder) as temporary:
    temporary.mkdir(parents=True)
    with said.stage("write", "writing Parquet, counting tokens") as done:
      publish.parquet(
        temporary, table, decision, kind, settings["write"]["shard_rows"], written.see, done
      )
    report |= written.result()
    for extra in settings_.formats(settings):
      with said.stage(f"write {extra}", f"writing {extra}"):
        report["warnings"] += publish.or_warning(temporary / extra, extra, table, decision)
    report["warnings"] += written.balance.warnings(settings["balance"]["max_share"])
    report["warnings"] += warned.unread(report["sources"], report["bad"])
    report["warnings"] += warned.left_out(table) + warned.dropped(report["steps"])
    report["warnings"] += decision.warnings + warned.unsplit(report["splits"], settings["split"])
    report["seconds"] = dict(said.seconds)
    _json(temporary / versions.REPORT, report)
    write_card(report, temporary)
    card = temporary / "card.md"
    if card.is_file():  # The hub and `datasets` look for a card by this name.
      shutil.copyfile(card, temporary / "README.md")
    manifest = manifest_of(hash_, kind, table, decision, taken, settings, parent, report)
    if parent is not None:
      manifest["pruned"] = prune
      _history(temporary, parent)
      for key in ("added", "removed"):
        if len(manifest[key]) > _INLINE:
          storage.write_text(temporary / f"{key}.txt", "\n".join(manifest[key]) + "\n")
          manifest[key] = {"file": f"{key}.txt", "count": len(manifest[key])}
    manifest["files"] = publish.digests(temporary)
    _json(temporary / versions.MANIFEST, manifest)
  return Version(folder, manifest, new=True)


def _history(folder: Path, parent: Version) -> None:
  """The manifests of all versions before, so that this one can be built where they are not."""
  (folder / versions.HISTORY).mkdir()
  own = {k: v for k, v in parent.manifest.items() if k not in ("added", "removed")}
  _json(folder / versions.HISTORY / f"{parent.name}.json", own)
  for path in sorted((parent.folder / versions.HISTORY).glob("*.json")):
    shutil.copyfile(path, folder / versions.HISTORY / path.name)


def _json(path: Path, value: Any) -> None:
  storage.write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")
