"""Versions of a dataset on disk: folders named by what is in them, each with a manifest.

OUTPUT/versions/<the hash's first 16 digits>/manifest.json, data/train-00000-of-00001.parquet ...; OUTPUT/LATEST names the newest.
A version is never changed once it is there.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftjax import storage
from ftjax.config import InputError

MANIFEST, REPORT, LATEST, VERSIONS, HISTORY = (
  "manifest.json",
  "report.json",
  "LATEST",
  "versions",
  "history",
)
DATA = "data"  # the folder of Parquet files: the hub's layout, in which `datasets` finds them alone
SHORT = 16


@dataclass(frozen=True)
class Version:
  """A version's folder and its manifest. new: whether this call wrote it."""

  folder: Path
  manifest: dict[str, Any]
  new: bool = False

  @property
  def hash(self) -> str:
    return self.manifest["version"]

  @property
  def name(self) -> str:
    return self.hash[:SHORT]

  @property
  def kind(self) -> str:
    """text | messages | preference."""
    return self.manifest["kind"]

  @property
  def output(self) -> Path:
    return self.folder.parent.parent

  @property
  def report(self) -> dict[str, Any]:
    return json.loads((self.folder / REPORT).read_text(encoding="utf-8"))

  def shards(self, split: str) -> list[Path]:
    """The Parquet files of a split, in order."""
    names = sorted(self.manifest["files"])
    return [self.folder / n for n in names if re.fullmatch(rf"{DATA}/{split}-.*\.parquet", n)]

  def check(self) -> Version:
    """Itself, if every file is what the manifest says. Raises InputError naming the first that is
    not."""
    for name, entry in self.manifest["files"].items():
      path = self.folder / name
      if not path.is_file():
        raise InputError(f"{path} is missing: version {self.name} is damaged. {_MEND}")
      if storage.digest(path) != entry["sha256"]:
        raise InputError(
          f"{path} is not what its manifest says (its SHA-256 differs): version {self.name} is damaged. {_MEND}"
        )
    return self


_MEND = "Build it again from its inputs with --replay, or take a copy of it."


def read(folder: str | Path) -> Version:
  """The version in a folder. Raises InputError for a folder that is none."""
  path = Path(folder) / MANIFEST
  if not path.is_file():
    raise InputError(f"{folder} is not a version of a dataset: it has no {MANIFEST}.")
  try:
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["version"], manifest["files"], manifest["kind"]
  except (ValueError, KeyError, TypeError) as e:
    raise InputError(f"{path} is not a manifest that can be read: {type(e).__name__} {e}.") from e
  return Version(Path(folder), manifest)


def names(output: str | Path) -> list[str]:
  """The versions in an output folder, oldest first."""
  folder = Path(output) / VERSIONS
  if not folder.is_dir():
    return []
  found = [p for p in folder.iterdir() if not p.name.startswith(".") and (p / MANIFEST).is_file()]
  created = {p.name: read(p).manifest.get("created", "") for p in found}
  return sorted(created, key=lambda name: (created[name], name))


def latest(output: str | Path) -> Version:
  """The newest version. Raises InputError where there is none."""
  path = Path(output) / LATEST
  if not path.is_file():
    raise InputError(
      f"{output} holds no version of a dataset yet (no {LATEST}). Prepare one: "
      "python scripts/prepare_data.py --config.sources=... --config.output=..."
    )
  return read(Path(output) / VERSIONS / path.read_text(encoding="utf-8").strip())


def find(name: str | Path, output: str | Path = "") -> Version:
  """A version by its folder, an output folder (its newest), LATEST, or the beginning of its hash in
  `output`."""
  text = str(name)
  if text in (LATEST, "") and output:
    return latest(output)
  folder = Path(text).expanduser()
  if folder.is_file() and folder.name == MANIFEST:
    folder = folder.parent
  if (folder / MANIFEST).is_file():
    return read(folder)
  if (folder / LATEST).is_file():
    return latest(folder)
  known = names(output) if output else []
  close = [n for n in known if n == text or (len(text) >= 4 and n.startswith(text[:SHORT]))]
  if len(close) == 1:
    version = read(Path(output) / VERSIONS / close[0])
    if version.hash.startswith(text):
      return version
  where = f" in {output}: {', '.join(known) or 'it holds none'}" if output else ""
  raise InputError(
    f"{text!r} names {'several versions' if len(close) > 1 else 'no version'}{where}. Give a version's folder, or "
    "the first digits of its hash with --config.output."
  )


def is_version(path: str | Path) -> bool:
  """Whether a path is a version's folder, or an output folder with a newest version."""
  folder = Path(path)
  return (folder / MANIFEST).is_file() or (folder / LATEST).is_file()


def set_latest(output: Path, version: Version) -> None:
  storage.write_text(output / LATEST, version.name + "\n")
