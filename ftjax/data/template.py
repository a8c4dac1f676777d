"""Templates: text with fields in braces, as in "Write about {title}."."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ftjax.config import InputError
from ftjax.plugin import did_you_mean

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class Unmapped(InputError):
  """A row lacks the columns that the config speaks of. Where no row has them, it is the config that
  is wrong."""


def check(template: str, key: str) -> str:
  """`template`, if its braces are paired. Raises InputError naming the key."""
  for found in _TOKEN.finditer(template):
    if found[0] in "{}" or (found[1] is not None and not found[1].strip()):
      raise InputError(
        f"{key}={template!r}: a brace is alone or empty. Write a column's name in braces, {{title}}, and a brace itself as "
        "{{ or }}."
      )
  return template


def render(template: str, fields: Mapping[str, Any], place: str) -> str:
  """The template with its fields put in, each once: braces inside a field's text stay. Raises
  InputError naming the place for a field that the row lacks, with those that it has, and for one
  that is no text."""

  def put(found: re.Match[str]) -> str:
    if found[0] in ("{{", "}}"):
      return found[0][0]
    name = (found[1] or "").strip()
    if name not in fields:
      raise Unmapped(
        f"{place}: the template {template!r} speaks of {{{name}}}, which this row lacks. It has: {', '.join(fields)}."
        f"{did_you_mean(name, fields)}"
      )
    return as_text(fields[name], name, place)

  return _TOKEN.sub(put, template)


def as_text(value: Any, name: str, place: str) -> str:
  """A field as text: numbers too, and lists of texts between commas; "" for None."""
  if value is None:
    return ""
  if isinstance(value, bytes):
    try:
      return value.decode("utf-8")
    except UnicodeDecodeError as e:
      raise InputError(f"{place}: {name!r} is not UTF-8 text ({e.reason}).") from e
  if isinstance(value, Sequence) and not isinstance(value, str):
    if all(isinstance(v, (str, bytes, int, float)) for v in value):
      return ", ".join(as_text(v, name, place) for v in value)
  elif isinstance(value, (str, int, float)):
    return str(value)
  raise InputError(f"{place}: {name!r} must be text or a number, but is a {type(value).__name__}.")
