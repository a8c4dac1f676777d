"""Fields of a prompt ("product: Otter kettle | price: £30"), in the notations that are common."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

LONGEST = 100  # Characters of a value; a longer one is a text, which nobody repeats word for word.
DEEPEST = 8  # levels of an object that are read

_NOT_SAID = {"", "yes", "no", "true", "false", "none", "null", "n/a", "-"}  # in these words

_WIDE = str.maketrans("：；｜＝", ":;|=")  # as Chinese and Japanese keyboards write them
_KEY = r"[^\W\d_](?:[^\W_]|[ /'&()_-]){0,39}"
_FIELD = re.compile(rf"(?:^|[.!?]\s)[\s*•#-]*({_KEY})\*{{0,2}}(?<!\d)\s*[:=](?!//)\**\s*(\S.*)$")
_BRACKETS = re.compile(rf"({_KEY})\[([^\[\]]*)\](?!\()")


def fields(prompt: str) -> dict[str, list[str]]:
  """{field: values} of a prompt; empty where it has none.

  Reads a JSON object; `name[The Eagle], food[French]`; and `key: value` or `key = value`, parted by
  line breaks, "|", ";" or ",", where there are at least two of them. Values that a text never says
  in these words ("yes", "none") and long ones are left out.
  """
  prompt = prompt.translate(_WIDE)
  found = _json(prompt) or _brackets(prompt) or _lines(prompt)
  out: dict[str, list[str]] = {}
  for name, value in found:
    value = value.strip().strip("\"'*").rstrip(".,;").strip()
    if value.casefold() not in _NOT_SAID and len(value) <= LONGEST:
      out.setdefault(" ".join(name.casefold().split()), []).append(value)
  return out


def _json(prompt: str) -> list[tuple[str, str]]:
  for at in [m.start() for m in re.finditer(r"\{\s*\"", prompt)][:8]:
    try:
      found, _ = json.JSONDecoder().raw_decode(prompt, at)
    except (ValueError, RecursionError):
      continue
    return list(_flat("", found, DEEPEST))
  return []


def _flat(name: str, value: Any, levels: int) -> Iterable[tuple[str, str]]:
  if isinstance(value, Mapping | list) and not levels:
    return
  if isinstance(value, Mapping):
    for key, inner in value.items():
      yield from _flat(f"{name}.{key}" if name else key, inner, levels - 1)
  elif isinstance(value, list):
    for inner in value:
      yield from _flat(name, inner, levels - 1)
  elif isinstance(value, str | int | float) and not isinstance(value, bool):
    yield name, str(value)


def _brackets(prompt: str) -> list[tuple[str, str]]:
  """`name[The Eagle], food[French]`, on lines that hold nothing else."""
  return [
    pair
    for line in prompt.splitlines()
    if "[" in line and not _BRACKETS.sub("", line).strip(" ,;|\t")
    for pair in _BRACKETS.findall(line)
  ]


def _lines(prompt: str) -> list[tuple[str, str]]:
  found = [pair for line in prompt.splitlines() for pair in _line(line)]
  return found if len(found) > 1 else []


def _line(line: str) -> list[tuple[str, str]]:
  """The fields of a line, which may hold several; a part that is no field belongs to the value
  before it."""
  for sep in ("|", ";", ","):
    parts = line.split(sep)
    pairs = list(map(_pair, parts))
    if sum(map(bool, pairs)) < 2:
      continue
    out: list[tuple[str, str]] = []
    for part, pair in zip(parts, pairs, strict=True):
      if pair:
        out.append(pair)
      elif out and sep != "|":
        out[-1] = out[-1][0], f"{out[-1][1]}{sep}{part}"
    return out
  pair = _pair(line)
  return [pair] if pair else []


def _pair(part: str) -> tuple[str, str] | None:
  m = _FIELD.search(part.strip())
  if m is None or len(m[1].split()) > 4:
    return None
  return m[1].strip(), m[2]
