"""From raw text to a version of a dataset: prepare, update, replay, diff.

from ftjax import preparation
from ftjax.data.defaults import get_config

config = get_config()
config.sources, config.output = "articles/", "prepared"
version = preparation.prepare(config)          # prepared/versions/<hash>/, with card.html
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ftjax import plugin, storage
from ftjax.config import InputError
from ftjax.data.curate import assemble, gather, inputs, place, publish
from ftjax.data.curate import settings as settings_
from ftjax.data.curate.assemble import Taken
from ftjax.data.curate.chunk import Job
from ftjax.data.curate.decide import decide, version_hash
from ftjax.data.curate.progress import Said
from ftjax.data.curate.stream import Parent, streams
from ftjax.data.versions import diff as diffs
from ftjax.data.versions import manifest as versions
from ftjax.data.versions.diff import Diff
from ftjax.data.versions.manifest import LATEST, Version

# Settings that no chunk depends on: with others, an interrupted run goes on all the same.
_LATER = ("output", "run", "split", "balance", "write")


class Stopped(KeyboardInterrupt):
  """SIGTERM or SIGINT came; finished chunks are kept."""


def prepare(config: Any, said: Said | None = None) -> Version:
  """Makes a version of `config.sources` (ftjax/data/defaults.py lists the keys) in `config.output`.

  What was interrupted goes on from its finished chunks. The same input and settings give the same
  version; where it is there already, nothing is written. Raises InputError for bad config or input.
  """
  settings = settings_.plain(config)
  output = _output(settings)
  with place.held(output), _stopping():
    return _build(settings, output, inputs.take(settings), said or Said())


def update(
  config: Any, parent: str | Path = LATEST, prune: bool = False, said: Said | None = None
) -> Version:
  """A version with the rows of `parent` and what the sources give beside them.

  The parent's rows keep their split and cluster. They pass the steps again only where the steps'
  settings have changed, so that a new rule holds for old rows too; deduplication is judged over all
  rows. prune: rows of the parent that the sources no longer give are left out.
  """
  settings = settings_.plain(config)
  output = _output(settings)
  with place.held(output), _stopping():
    version = versions.find(parent, output).check()
    return _build(settings, output, inputs.take(settings), said or Said(), version, prune)


def replay(
  version: str | Path, config: Any = None, output: str | Path = "", said: Said | None = None
) -> Version:
  """Builds an old version again, from its manifest, and compares the hash.

  version: a folder, or the beginning of a hash in `output`. config: for `run` and `pii.key` alone.
  Inputs are compared first, by their SHA-256; a copy that run.keep_inputs made serves where a file
  has changed. Parents that are not in `output` are built first. Raises InputError naming the input
  that changed, or the libraries where the hash is another.
  """
  old = versions.find(version, output)
  output = Path(output or old.output)
  now = settings_.plain(config) if config is not None else None
  with place.held(output), _stopping():
    return _replay(old.manifest, old, output, now, said or Said())


def diff(old: str | Path, new: str | Path, output: str | Path = "") -> Diff:
  """What differs from one version to another: rows added, removed and moved, and settings."""
  return diffs.diff(versions.find(old, output).check(), versions.find(new, output).check())


def _replay(manifest: dict, old: Version, output: Path, now: dict | None, said: Said) -> Version:
  settings = manifest["settings"]
  if settings["pii"]["key"] == settings_.HIDDEN:
    if now is None or not now["pii"]["key"]:
      raise InputError(
        "This version hashed personal data with a key, which is not kept: give pii.key."
      )
    settings = settings | {"pii": settings["pii"] | {"key": now["pii"]["key"]}}
  if now is not None:
    settings = settings | {"run": now["run"] | {"max_line": settings["run"]["max_line"]}}
  name = manifest["version"][: versions.SHORT]
  taken = inputs.retake(manifest, settings, output)
  parent = None
  if manifest["parent"]:
    before = manifest["parent"][: versions.SHORT]
    try:
      parent = versions.read(output / versions.VERSIONS / before).check()
    except InputError:
      said.say(f"Building its parent {before} first.")
      parent = _replay(inputs.history(old, before), old, output, now, said)
  said.say(f"Building version {name} again.")
  prune = manifest.get("pruned", False)
  return _build(settings, output, taken, said, parent, prune, manifest)


def _build(
  settings: dict, output: Path, taken: list[Taken], said: Said, parent: Version | None = None,
  prune: bool = False, old: dict | None = None,
) -> Version:  # fmt: skip
  """Chunks, decisions, a folder. old: the manifest whose hash must come out."""
  expect = old["version"] if old else ""
  number = settings_.workers(settings)
  basis = {k: v for k, v in settings.items() if k not in _LATER} | {
    "max_line": settings["run"]["max_line"]
  }
  files = [(t.side, t.index, [(i.part, i.sha256) for i in t.inputs]) for t in taken]
  key = settings_.fingerprint(basis, files, parent.hash if parent else "", assemble.libraries())
  folder = place.work(output, key)
  if settings["run"]["keep_inputs"]:
    inputs.keep(output, taken)
  judge = parent is not None and not settings_.same_steps(parent.manifest["settings"], settings)
  job = Job(
    str(folder),
    settings_.as_json(settings),
    gather.limit_of(folder, settings_.chunk_bytes(settings)),
    judge,
  )
  work: list[Any] = []
  if parent is not None:
    shards = [p for split in ("train", "validation", "test") for p in parent.shards(split)]
    work.append(Parent(0, tuple(map(str, shards))))
  work += streams([(t.side, t.index, t.source, t.inputs) for t in taken], first=1)
  if resumed := gather.count(folder):
    said.say(f"Going on from {resumed} finished chunks.")
  with said.stage("collect", "reading, cleaning, sketching") as done:
    folders = gather.gather(
      job, work, engine=settings["run"]["engine"], workers=number, progress=done
    )
  table = gather.load(folders)
  kind = assemble.kind_of(table)
  with said.stage("decide", "looking for duplicates"):
    decision = decide(table, settings, inputs.caps(taken), prune)
  assemble.check_not_empty(table, decision)
  hash_ = version_hash(kind, table, decision)
  if expect and hash_ != expect:
    raise InputError(inputs.other_hash(hash_, expect, old["libraries"]))
  version = _placed(
    output, hash_, kind, table, decision, taken, settings, parent, prune, said, old
  )
  if not expect or not (output / LATEST).is_file():  # A replay leaves LATEST where it is.
    versions.set_latest(output, version)
  place.remove_work(output)
  return version


def _placed(
  output, hash_, kind, table, decision, taken, settings, parent, prune, said, old
) -> Version:
  """The version, written where it is not there. old: the manifest that is replayed, or None."""
  folder = output / versions.VERSIONS / hash_[: versions.SHORT]
  if (folder / versions.MANIFEST).is_file():
    try:
      version = versions.read(folder).check()
    except InputError:
      if not old:
        raise
      place.remove_version(folder, old["files"])
    else:
      again = "The hash is the same" if old else "Nothing has changed"
      said.say(f"{again}: version {version.name} has these rows already.")
      wanted = settings_.formats(settings)
      return publish.with_formats(version, wanted, table, decision, said.say)
  return assemble.write(
    output, hash_, kind, table, decision, taken, settings, parent, said, prune=prune
  )


def _output(settings: dict) -> Path:
  for key, example in (("sources", "articles/"), ("output", "prepared")):
    if not settings[key]:
      raise InputError(f"{key} is empty. Say what, as in --config.{key}={example}.")
  plugin.load("ftjax.data.curate.engines", settings["run"]["engine"])
  if settings["card"]["tokenizer"] != "starter":  # Known now, not after hours of work.
    from ftjax.data.tokens import TokenCounter

    TokenCounter(settings["card"]["tokenizer"])([])
  return storage.local(settings["output"], "output")


@contextlib.contextmanager
def _stopping() -> Iterator[None]:
  """SIGTERM and SIGINT end the block with Stopped."""

  def stop(number, frame):
    for n in (signal.SIGTERM, signal.SIGINT):
      signal.signal(n, signal.SIG_IGN)  # once: what follows cleans up
    raise Stopped(signal.Signals(number).name)

  old = {}
  if threading.current_thread() is threading.main_thread():
    old = {n: signal.signal(n, stop) for n in (signal.SIGTERM, signal.SIGINT)}
  try:
    yield
  finally:
    for number, handler in old.items():
      signal.signal(number, handler)
