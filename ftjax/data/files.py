"""Which source reads a file, and the files of folders and zip archives."""

from __future__ import annotations

import os
import re

from ftjax import plugin, storage
from ftjax.config import InputError
from ftjax.data.sources import _zip
from ftjax.data.sources._reading import MEMBER, PACKED

SOURCES = "ftjax.data.sources"
SUFFIXES = {
  ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet",
  ".txt": "text", ".md": "markdown", ".markdown": "markdown", ".html": "html", ".htm": "html", ".xhtml": "html",
  ".pdf": "pdf", ".vtt": "subtitles", ".srt": "subtitles", ".xml": "xml", ".wxr": "wxr", ".rss": "feed", ".atom": "feed",
}  # fmt: skip
HUBS = ("hf", "tfds")
_WEB = ("http://", "https://")


def by_name(spec: str) -> tuple[str, str]:
  """("hf", "NAME:SPLIT") of "hf:NAME:SPLIT": a source that is named before a colon, and the rest;
  ("", spec) where none is."""
  kind, colon, rest = spec.partition(":")
  named = rest and not rest.startswith("//") and kind.isidentifier()
  named = named and kind in plugin.names(SOURCES)
  return (kind, rest) if named or (colon and kind in HUBS) else ("", spec)


def split(text: str) -> list[str]:
  """The entries of a list between commas. A path that is there is one entry, whatever its name."""
  pieces, out = text.split(","), []
  while pieces:
    count = len(pieces)
    while count > 1 and not exists(",".join(pieces[:count]).strip()):
      count -= 1
    out.append(",".join(pieces[:count]).strip())
    pieces = pieces[count:]
  return list(filter(None, out))


def exists(entry: str) -> bool:
  """Whether an entry of a list, without the source before it and the split or weight after it, is a
  local path that is there."""
  path = os.path.expanduser(by_name(entry)[1])
  bare = re.sub(r"(:(train|validation|test)|@-?[0-9]*\.?[0-9]+)$", "", path)
  return os.path.lexists(path) or os.path.lexists(bare)


def suffix_of(path: str) -> str:
  """The suffix, in lower case, before one such as ".gz"."""
  bare = path.lower()
  for packed in PACKED:
    bare = bare.removesuffix(packed)
  return "." + bare.replace(MEMBER, "/").rsplit("/", 1)[-1].rpartition(".")[2]


def source_of(path: str) -> str:
  """The source that reads a file, by its suffix. Raises InputError for one that none does."""
  suffix = suffix_of(path)
  if suffix not in SUFFIXES:
    raise InputError(
      f"{path!r}: no source reads {suffix!r} files. Known: {', '.join(SUFFIXES)} (also with {', '.join(PACKED)}), "
      f"hf:NAME, tfds:NAME.{plugin.did_you_mean(suffix, SUFFIXES)}"
    )
  return SUFFIXES[suffix]


def is_web(path: str) -> bool:
  """Whether a path is a URL to fetch."""
  return path.startswith(_WEB)


def expand(path: str) -> list[str]:
  """The files of a path, glob or folder, and the members of zip archives, sorted. Hidden files and
  folders are passed over. Raises InputError where there are none."""
  fs, root = storage.filesystem(path)
  if not fs.isdir(root):
    files = storage.expand(path)
  elif storage.is_remote(path):
    scheme = path.split("://")[0] + "://"
    files = [scheme + f for f in sorted(fs.find(root)) if not _zip.hidden(f[len(root) :])]
  else:
    files = walk(root)
  if not files:
    raise InputError(f"No file in {path!r}. Hidden files (.name) are passed over.")
  return [m for f in files for m in (_zip.parts(f) if f.lower().endswith(".zip") else [f])]


def walk(folder: str) -> list[str]:
  """All files under a folder. Links to folders are not followed: their files are found where they
  lie; one that leaves the folder is listed itself, to be refused (`refusal`)."""
  out = []
  for root, folders, names in os.walk(folder):
    folders[:] = sorted(f for f in folders if not f.startswith("."))
    links = [f for f in folders if os.path.islink(os.path.join(root, f))]
    names += [f for f in links if not _inside(os.path.join(root, f), folder)]
    out += [os.path.join(root, n) for n in names if not n.startswith(".")]
  return sorted(out)


def refusal(part: str, folder: str) -> str:
  """Why a file of a source must not be read; "" where nothing speaks against it. folder: the
  source's path; where that is a folder, links in it must not leave it."""
  if part.lower().endswith(".zip") and MEMBER not in part and not is_web(part):
    return _zip.problem_of(part)
  if is_web(part) or storage.is_remote(part):
    return ""
  file = part.partition(MEMBER)[0] if ".zip" + MEMBER in part.lower() else part
  folder = os.path.expanduser(folder)
  if os.path.isdir(folder) and not _inside(file, folder):
    return f"{part}: a link that leads out of {folder}; it was not followed."
  if not os.path.isfile(file):
    return f"{part}: not a regular file."
  return ""


def _inside(path: str, folder: str) -> bool:
  root = os.path.realpath(folder)
  return os.path.commonpath([root, os.path.realpath(path)]) == root
