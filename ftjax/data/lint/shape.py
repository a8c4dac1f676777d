"""Which format a row is meant to have, and keys that are nearly right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from ftjax.data.valid import NEEDS

KEYS = sorted({key for needs in NEEDS.values() for key in needs} | {"system", "history", "labels"})
# Names that other programs give to prompt and completion.
_ALSO = (("prompt", "response"), ("question", "answer"), ("query", "response"), ("input", "output"),
         ("input", "target"), ("prompt", "answer"))  # fmt: skip
_CLOSE = 0.75


def shape(row: Mapping[str, Any]) -> str:
  """The row's format, or "" where it has the keys of none."""
  return next((name for name, needs in NEEDS.items() if all(k in row for k in needs)), "")


def near(name: Any, known: Iterable[str]) -> str:
  """The known name that this one is a slip for, or ""."""
  name = str(name).strip().lower()
  return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=_CLOSE)), "")


def renames(row: Mapping[str, Any]) -> dict[str, str]:
  """{key: what it must be called} by which a row of no format would have one; empty where there is
  no such way."""
  for needs in NEEDS.values():
    found = {need: need if need in row else "" for need in needs}
    for key in row:
      meant = near(key, needs)
      if meant and not found[meant]:
        found[meant] = key
    if all(found.values()):
      return {key: need for need, key in found.items() if key != need}
  for prompt, completion in _ALSO:
    if prompt in row and completion in row:
      pairs = {prompt: "prompt", completion: "completion"}
      return {old: new for old, new in pairs.items() if old != new}
  return {}
