"""What a version was made from: taken from the config, kept as copies, and found again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from ftjax import storage
from ftjax.config import InputError
from ftjax.data.curate.assemble import Taken, libraries
from ftjax.data.curate.place import INPUTS
from ftjax.data.curate.stream import SOURCE, VALIDATION, Input, inputs_of
from ftjax.data.versions import manifest as versions
from ftjax.data.versions.manifest import Version

_SIDES = {"sources": SOURCE, "validation": VALIDATION}


def take(settings: dict[str, Any]) -> list[Taken]:
  """The sources of the config with all that they read. Raises InputError for one that is not
  there, and for two of one name."""
  return [
    _taken(side, index, source, inputs_of(source), entry)
    for side, index, source, entry in _sources(settings, settings)
  ]


def _sources(settings: dict[str, Any], entries: dict[str, Any]):
  """(side, index, source, entry) of all entries, in order."""
  from ftjax.data import collect

  for key, side in _SIDES.items():
    if entries[key]:
      named = collect.sources(entries[key], settings)
      for index, (source, entry) in enumerate(zip(named, entries[key], strict=True)):
        yield side, index, source, entry


def _taken(side: int, index: int, source: Any, puts: list[Input], entry: Any) -> Taken:
  return Taken(source.name, source.path, source.licence, side, index, source, puts, entry)


def keep(output: Path, taken: list[Taken]) -> None:
  """Copies every input file to OUTPUT/inputs/<its SHA-256>/, once for all versions."""
  for put in (i for t in taken for i in t.inputs if i.sha256 and not i.copy):
    folder = _copy(output, put.sha256)
    if not folder.is_dir():
      with storage.atomic_path(folder) as temporary:
        temporary.mkdir(parents=True)
        shutil.copyfile(put.part, temporary / Path(put.part).name)


def _copy(output: Path, sha256: str) -> Path:
  return output / INPUTS / sha256


def retake(manifest: dict[str, Any], settings: dict[str, Any], output: Path) -> list[Taken]:
  """The sources of a manifest, with exactly the inputs that it lists. Raises InputError naming the
  first file that is missing or another."""
  puts = {
    (side, index): [_found(i, output) for i in entry["inputs"]]
    for key, side in _SIDES.items()
    for index, entry in enumerate(manifest[key])
  }
  entries = {key: [e["entry"] for e in manifest[key]] for key in _SIDES}
  return [
    _taken(side, index, source, puts[side, index], entry)
    for side, index, source, entry in _sources(settings | {"output": str(output)}, entries)
  ]


def _found(entry: dict[str, Any], output: Path) -> Input:
  put = Input(entry["path"], "", entry["bytes"], entry["sha256"])
  if not put.sha256:
    return put
  path = Path(put.part)
  if path.is_file() and storage.digest(path) == put.sha256:
    return put
  copies = sorted(_copy(output, put.sha256).glob("*"))
  if copies and storage.digest(copies[0]) == put.sha256:
    return Input(put.part, str(copies[0]), put.bytes, put.sha256)
  what = "is another file now (its SHA-256 differs)" if path.is_file() else "is not there"
  raise InputError(
    f"{put.part} {what}, so the version cannot be built again. Bring back the file of {put.bytes:,} bytes with SHA-256 "
    f"{put.sha256}. (With run.keep_inputs a copy is kept.)"
  )


def history(version: Version, name: str) -> dict[str, Any]:
  """The manifest of a version's ancestor."""
  path = version.folder / versions.HISTORY / f"{name}.json"
  if not path.is_file():
    raise InputError(
      f"{path} is missing: the ancestor {name} of version {version.name} is not known."
    )
  return json.loads(path.read_text(encoding="utf-8"))


def caps(taken: list[Taken]) -> dict[str, int]:
  """Rows at most, by source, of those that have a cap."""
  return {t.name: t.source.cap for t in taken if t.side == SOURCE and t.source.cap}


def other_hash(hash_: str, expect: str, recorded: dict[str, str]) -> str:
  """The message for a replay that came out as something else. recorded: the manifest's
  libraries."""
  now = libraries()
  names = [n for n in dict.fromkeys((*recorded, *now)) if recorded.get(n) != now.get(n)]
  told = ", ".join(f"{n} {recorded.get(n, 'none')} -> {now.get(n, 'none')}" for n in names)
  short = versions.SHORT
  return (
    f"The replay gives version {hash_[:short]}, not {expect[:short]}, though its input files are the same. "
    + (
      f"Other versions of libraries: {told}. Install the old ones."
      if told
      else "A source that is no file, such as a hub or a site, gives other rows now."
    )
    + " Nothing was written."
  )
