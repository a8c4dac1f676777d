"""Collecting: what `config.sources` names, as rows of the dataset, part by part."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ftjax import plugin, sizes
from ftjax.config import InputError, choice, positive
from ftjax.data import files, mapping, template
from ftjax.data.documents import CHOICES
from ftjax.data.example import Example
from ftjax.data.mapping import Plan, Unmapped
from ftjax.data.record import Bad, raise_error
from ftjax.data.sources._fetch import Later
from ftjax.data.sources._reading import DEFAULT, Reading
from ftjax.plugin import did_you_mean

KEYS = (
  "path", "name", "licence", "category", "format", "rows", "fields", "prompt", "response", "weight", "cap",
  "allow_private", "drafts",
)  # fmt: skip
_UNMAPPED = 100  # rows without the columns that the config names, from which on it is the config


@dataclass(frozen=True)
class Source:
  """One entry of `config.sources`. cap: the most rows that are kept of it; 0 = all (whoever selects
  rows sees to it)."""

  path: str
  name: str
  plan: Plan = field(default_factory=Plan)
  cap: int = 0
  reading: Reading = DEFAULT

  @property
  def licence(self) -> str:
    return self.plan.licence

  @classmethod
  def of(cls, entry: Any, defaults: Mapping[str, Any] | None = None) -> Source:
    """entry: a path and the like, or a mapping of KEYS with `path`. defaults: the config, as in
    ftjax/data/defaults.py, for what the entry leaves out. Raises InputError for unknown keys and
    values."""
    entry = {"path": entry} if isinstance(entry, str) else dict(entry)
    for key in entry:
      if key not in KEYS:
        raise InputError(
          f"sources: the key {key!r} does not exist. Use: {', '.join(KEYS)}.{did_you_mean(key, KEYS)}"
        )
    path = str(entry.get("path", "")).strip()
    if not path:
      raise InputError(f"sources: {entry!r} has no path. Give a path, folder, hf:NAME or URL.")
    name = str(entry.get("name") or _name(path))
    key = f"sources ({name})"
    get = lambda name, dotted, none: entry.get(name, _default(defaults, dotted, none))
    plan = Plan(
      source=name,
      format=choice(get("format", "format", "auto"), ("auto", *mapping.FORMATS), f"{key}: format"),
      rows=choice(get("rows", "rows", "text"), CHOICES, f"{key}: rows"),
      fields=mapping.parse_fields(entry.get("fields"), f"{key}: fields"),
      prompt=template.check(get("prompt", "prompt", ""), f"{key}: prompt"),
      response=template.check(get("response", "response", ""), f"{key}: response"),
      licence=str(entry.get("licence", "")),
      category=str(entry.get("category", "")),
      weight=positive(float(entry.get("weight", 1.0)), f"{key}: weight"),
    )
    bound = sizes.parse(_default(defaults, "run.max_line", DEFAULT.max_line), "run.max_line")
    output = _default(defaults, "output", "")
    reading = Reading(
      max_line=bound,
      max_document=bound,
      cache=os.path.join(os.path.expanduser(output), "work", "fetched") if output else "",
      allow_private=bool(entry.get("allow_private", False)),
      drafts=bool(entry.get("drafts", False)),
    )
    cap = int(get("cap", "balance.cap", 0))
    if cap < 0:
      raise InputError(f"{key}: cap={cap} must be 0 (all rows) or more.")
    return cls(path, name, plan, cap, reading)

  @property
  def kind(self) -> str:
    """The source module that the entry names itself; "" where each file's suffix decides."""
    kind, rest = files.by_name(self.path)
    return kind or ("web" if files.is_web(rest) else "")

  def parts(self) -> list[str]:
    """The files, or the one stream, that are read, in a fixed order. Raises InputError for a path
    with nothing there."""
    kind, rest = files.by_name(self.path)
    if kind in files.HUBS or files.is_web(rest):
      return [self.path]
    return files.expand(rest)


def sources(value: Any, defaults: Mapping[str, Any] | None = None) -> list[Source]:
  """All entries of `config.sources`: one or a list of them, or paths between commas. Names are made
  distinct; raises InputError for two that were given alike."""
  if isinstance(value, str):
    value = files.split(value)
  elif hasattr(value, "items"):
    value = [value]
  entries = list(value)
  if not entries:
    raise InputError("sources is empty. Give a path, glob, folder, hf:NAME, tfds:NAME or URL.")
  out: list[Source] = []
  for entry in entries:
    source = Source.of(entry, defaults)
    taken = {s.name for s in out}
    if source.name in taken:
      if not isinstance(entry, str) and entry.get("name"):
        raise InputError(f"sources: two entries have the name {source.name!r}.")
      number = next(n for n in range(2, len(out) + 3) if f"{source.name}-{n}" not in taken)
      name = f"{source.name}-{number}"
      source = replace(source, name=name, plan=replace(source.plan, source=name))
    out.append(source)
  return out


def examples(source: Source, bad: Bad = raise_error) -> Iterator[Example]:
  """All rows of a source, in order."""
  for part in source.parts():
    yield from examples_of_part(source, part, bad)


def examples_of_part(source: Source, part: str, bad: Bad = raise_error) -> Iterator[Example]:
  """The rows of one of the source's parts. Each row, page, member or file that cannot be taken is
  told to `bad`, named by its place; the rest is taken.

  Raises InputError for a hub's dataset that cannot be loaded, for a site that is to be asked again
  later, and where the source is this one part and no row fits the config's templates or format.
  """
  waiting, taken, alone = [], False, _alone(source, part)
  for record in _records(source, part, bad):
    error = None
    rows = mapping.examples(record, source.plan, part)
    while error is None:
      try:
        row = next(rows, None)
      except InputError as e:
        error = e
        break
      if row is None:
        break
      for before in waiting:
        bad(before)
      waiting, taken = [], True
      yield row
    if isinstance(error, Unmapped) and alone and not taken:
      waiting.append(error)
      if len(waiting) == _UNMAPPED:
        break
    elif error:
      bad(error)
  if waiting:
    raise waiting[0]


def _alone(source: Source, part: str) -> bool:
  """Whether the part is all that the source has."""
  rest = files.by_name(source.path)[1]
  return part in (source.path, rest, os.path.abspath(os.path.expanduser(rest)))


def _records(source: Source, part: str, bad: Bad):
  """The part's records; what its source raises goes to `bad`, unless it must end the work."""
  kind, rest = files.by_name(part)
  try:
    if not source.kind or source.kind not in (*files.HUBS, "web", "wp"):
      if problem := files.refusal(part, files.by_name(source.path)[1]):
        raise InputError(problem)
    kind = kind or source.kind
    if not kind:
      suffix = files.suffix_of(part)
      if suffix not in files.SUFFIXES:
        raise InputError(f"{part}: skipped, as no source reads {suffix!r} files.")
      kind = files.SUFFIXES[suffix]
    yield from plugin.load(files.SOURCES, kind).records(rest, bad, source.reading)
    return
  except Later:
    raise
  except InputError as e:
    if kind in files.HUBS:
      raise
    error = e
  except (FileNotFoundError, PermissionError, IsADirectoryError) as e:
    error = InputError(f"{part}: cannot be read: {e.strerror or e}.")
  bad(error)


def _default(defaults: Mapping[str, Any] | None, dotted: str, none: Any) -> Any:
  """A key of the config, "run.max_line"; `none` where it is not there."""
  value: Any = defaults
  for key in dotted.split("."):
    value = None if value is None else value.get(key)
  return none if value is None else value


def _name(path: str) -> str:
  """A name for a source: of its file, folder, dataset or host."""
  kind, rest = files.by_name(path)
  if files.is_web(rest):
    return re.sub(r"^https?://(www\.)?", "", rest).strip("/").split("?")[0]
  if kind in files.HUBS:
    return rest.split(":")[0].split("@")[0] or rest
  bare = [p for p in rest.rstrip("/").split("/") if not any(c in p for c in "*?[")]
  last = bare[-1] if bare and bare[-1] else rest
  return re.sub(r"(\.\w{1,8}){1,2}$", "", last) or last
