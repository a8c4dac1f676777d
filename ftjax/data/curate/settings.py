"""The settings of a preparation as plain values, checked before anything is read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from ftjax import sizes
from ftjax.config import InputError
from ftjax.data import files
from ftjax.data.defaults import get_config
from ftjax.plugin import did_you_mean

Settings = dict[str, Any]

FORMATS = ("jsonl", "openai", "alpaca")
HIDDEN = "(given, not recorded)"
_ANY = ("sources", "validation")  # text, a mapping, or a list of them
# What changes no row and no file of a version.
_NO_MATTER = ("output", "run", "card")
# What the steps on a row alone depend on.
_STEPS = ("clean", "language", "quality", "words", "secrets", "pii")


def plain(config: Any) -> Settings:
  """A ConfigDict or a mapping (whose missing keys take their defaults) as a plain, nested dict.

  Raises InputError for an unknown key, and for values that are out of range.
  """
  settings = _filled(_plain(get_config()), _plain(config), "")
  for key in _ANY:
    settings[key] = entries(settings[key], key)
  share = settings["split"]["validation"] + settings["split"]["test"]
  for name in ("validation", "test"):
    if not 0 <= settings["split"][name] < 1:
      raise InputError(
        f"split.{name}={settings['split'][name]!r} must be at least 0 and below 1: a share."
      )
  if share >= 1:
    raise InputError(
      f"split.validation and split.test are {share:g} together; leave some to train on."
    )
  formats(settings)
  sizes.parse(settings["run"]["memory"], "run.memory")
  sizes.parse(settings["run"]["max_line"], "run.max_line")
  for key, low in (
    ("run.workers", 0),
    ("write.shard_rows", 1),
    ("balance.cap", 0),
    ("card.examples", 0),
  ):
    room, name = key.split(".")
    if not isinstance(settings[room][name], int) or settings[room][name] < low:
      raise InputError(f"{key}={settings[room][name]!r} must be a whole number from {low} on.")
  return settings


def _plain(value: Any) -> Any:
  if isinstance(value, Mapping) or hasattr(value, "items"):
    return {str(k): _plain(v) for k, v in value.items()}
  if isinstance(value, (list, tuple)):
    return [_plain(v) for v in value]
  return value


def _filled(defaults: Settings, given: Settings, at: str) -> Settings:
  for key, value in given.items():
    if key not in defaults:
      raise InputError(f"{at}{key} does not exist.{did_you_mean(key, defaults)}")
    inner = isinstance(defaults[key], dict)
    if inner and not isinstance(value, dict):
      raise InputError(f"{at}{key} holds keys of its own: {', '.join(defaults[key])}.")
    defaults[key] = _filled(defaults[key], value, f"{at}{key}.") if inner else value
  return defaults


def entries(value: Any, key: str) -> list[str | Settings]:
  """config.sources as a list of texts and mappings. Text may name several between commas."""
  if value is None or value == "":
    return []
  if isinstance(value, str):
    return files.split(value)
  if isinstance(value, Mapping):
    return [dict(value)]
  if not isinstance(value, (list, tuple)) or not all(isinstance(v, (str, Mapping)) for v in value):
    raise InputError(
      f"{key}={value!r} must be a path, a mapping with `path`, or a list of them: "
      "['a.jsonl', {'path': 'articles/', 'licence': 'CC-BY-4.0'}]."
    )
  return [v if isinstance(v, str) else dict(v) for v in value]


def formats(settings: Settings) -> list[str]:
  """The formats that are written beside Parquet, each once, sorted."""
  value = settings["write"]["formats"]
  names = value.split(",") if isinstance(value, str) else list(value)
  names = sorted({name.strip() for name in names if name.strip()})
  for name in names:
    if name not in FORMATS:
      raise InputError(
        f"write.formats={value!r}: {name!r} is not known. Use: {', '.join(FORMATS)}."
        f"{did_you_mean(name, FORMATS)} (Parquet is always written.)"
      )
  return names


def workers(settings: Settings) -> int:
  """The processes to use: run.workers, or the cores that this process may run on."""
  given = settings["run"]["workers"]
  available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
  return given or available or 1


def chunk_bytes(settings: Settings) -> int:
  """Characters of one chunk at most. A worker holds a chunk several times over: raw, cleaned,
  as shingles, as Arrow; and the processes themselves take their part of run.memory."""
  memory = sizes.parse(settings["run"]["memory"], "run.memory")
  return min(32_000_000, max(250_000, memory // (32 * workers(settings))))


def flat(settings: Mapping[str, Any], at: str = "") -> dict[str, Any]:
  """{"dedup.threshold": 0.8, ...}; the entries of sources stay whole."""
  out = {}
  for key, value in settings.items():
    if isinstance(value, Mapping):
      out.update(flat(value, f"{at}{key}."))
    else:
      out[f"{at}{key}"] = value
  return out


def changed(old: Settings, new: Settings, rooms: tuple[str, ...] = ()) -> dict[str, list[Any]]:
  """{key: [old, new]} of settings that matter to the rows or files and differ; of `rooms` alone,
  where given."""
  a, b = flat(recorded(old)), flat(recorded(new))
  matters = lambda key: (
    (key.split(".")[0] in rooms) if rooms else key.split(".")[0] not in _NO_MATTER
  )
  keys = [k for k in dict.fromkeys((*a, *b)) if matters(k) and a.get(k) != b.get(k)]
  return {key: [a.get(key), b.get(key)] for key in keys}


def same_steps(old: Settings, new: Settings) -> bool:
  """Whether rows that passed the old steps need not pass the new ones."""
  return not changed(old, new, _STEPS)


def recorded(settings: Settings) -> Settings:
  """The settings as a manifest keeps them: a key that hashes personal data is left out, and where
  the output lies."""
  key = settings["pii"]["key"]
  hidden = key if not key or key.startswith("env:") else HIDDEN
  return settings | {"pii": settings["pii"] | {"key": hidden}, "output": ""}


def as_json(settings: Settings) -> str:
  """What workers are told: all but where the output lies."""
  return json.dumps(settings | {"output": ""}, sort_keys=True)


def fingerprint(*values: Any) -> str:
  """A short hash of plain values: names the folder of unfinished work."""
  text = json.dumps(values, sort_keys=True, default=str)
  return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
