"""Markdown files, with front matter in YAML (--- lines) or TOML (+++ lines) where there is some."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from ftjax.config import InputError
from ftjax.data.record import Bad, Record, raise_error
from ftjax.data.sources._markup import iso_date
from ftjax.data.sources._reading import DEFAULT, Reading, document

_FRONT = re.compile(  # A line of dashes before an empty line is a rule, as for Pandoc.
  r"(?P<mark>---|\+\+\+)[ \t]*\n(?![ \t]*\n)(?P<head>(?:.*?\n)??)(?P=mark)[ \t]*(?:\n|\Z)", re.S
)
_NAMES = {  # ours: those that site generators use (Jekyll, Hugo, Pandoc)
  "title": ("title",),
  "date": ("date", "published", "pubdate"),
  "author": ("author", "authors"),
  "url": ("url", "permalink", "canonical", "link"),
  "category": ("category", "categories", "tags"),
  "licence": ("licence", "license", "rights"),
}

_FRONT_BYTES = 100_000  # of front matter, and levels of what it nests: people write a few lines
_DEEP = 64
_TOO_DEEP = f"the front matter nests more than {_DEEP} levels deep, which is not read."
_DOTTED = re.compile(  # a key of _DEEP parts; each part is tried once
  rf"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{_DEEP}}}"""
)


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """One record {"text": the Markdown}, and "title", "date", "author", "url", "category", "licence"
  as far as front matter gives them. Tells `bad` of front matter that cannot be read."""
  text = document(path, bad, how)
  if text is None:
    return
  try:
    front, body = split(text, path)
  except InputError as e:
    bad(e)
    return
  if front and not body.strip():
    bad(InputError(f"{path}: the file has no text, only front matter."))
    return
  yield Record({"text": body} | front, path)


def split(text: str, place: str) -> tuple[dict[str, str], str]:
  """(ftjax's fields of the front matter, the text after it); ({}, text) where there is none."""
  found = _FRONT.match(text)
  if not found:
    return {}, text
  if len(found["head"]) > _FRONT_BYTES:
    raise InputError(
      f"{place}: the front matter has {len(found['head']):,} characters; at most {_FRONT_BYTES:,} are read."
    )
  read = _yaml if found["mark"] == "---" else _toml
  front = read(found["head"], place)
  if front is None:  # A line of dashes that is no front matter.
    return {}, text
  return fields(front), text[found.end() :].lstrip("\n")


def fields(front: Mapping[str, Any]) -> dict[str, str]:
  """ftjax's names for what front matter says; of a list of categories the first."""
  lower = {str(name).lower(): value for name, value in front.items()}
  out = {}
  for ours, names in _NAMES.items():
    value = next((lower[n] for n in names if lower.get(n) not in (None, "", [])), None)
    if isinstance(value, list):
      value = ", ".join(map(str, value)) if ours == "author" else value[0]
    if isinstance(value, Mapping):
      value = value.get("name", "")
    value = iso_date(value) if ours == "date" else str(value or "").strip()
    if value:
      out[ours] = value
  return out


def _yaml(head: str, place: str) -> dict[str, Any] | None:
  """Plain YAML: values stay text, tags make no objects, and aliases, which can expand without end,
  are refused."""
  import yaml

  try:
    depth = 0
    for event in yaml.parse(head, yaml.BaseLoader):
      if isinstance(event, yaml.AliasEvent):
        raise InputError(f"{place}: front matter with YAML aliases (*name) is not read.")
      depth += isinstance(event, yaml.CollectionStartEvent)
      depth -= isinstance(event, yaml.CollectionEndEvent)
      if depth > _DEEP:
        raise InputError(f"{place}: {_TOO_DEEP}")
    front = yaml.load(head, yaml.BaseLoader)
  except InputError:
    raise
  except (yaml.YAMLError, RecursionError, ValueError) as e:
    mark = getattr(e, "problem_mark", None)
    where = f"{place}:{mark.line + 2}" if mark else place
    raise InputError(
      f"{where}: the front matter is not valid YAML: {getattr(e, 'problem', None) or e}. Put texts with a colon in quotes."
    ) from e
  return {} if front is None else front if isinstance(front, dict) else None


def _toml(head: str, place: str) -> dict[str, Any]:
  if _DOTTED.search(head):
    raise InputError(f"{place}: {_TOO_DEEP}")
  try:
    return tomllib.loads(head)
  except (ValueError, RecursionError) as e:  # TOMLDecodeError, and numbers of thousands of digits
    raise InputError(f"{place}: the front matter is not valid TOML: {e}.") from e
