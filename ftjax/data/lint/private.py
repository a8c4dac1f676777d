"""Counts of personal data and secrets in rows, with the steps that preparation has for them."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable

from ftjax.data.example import Example

_STEPS = "ftjax.data.clean.steps"
_NAMES = ("pii", "secrets")


def counter() -> Callable[[str, Counter[str]], None]:
  """A function that adds what it finds in a text to a Counter; one that finds nothing where this
  installation lacks those steps."""
  try:
    there = importlib.util.find_spec(_STEPS) is not None
  except ModuleNotFoundError:
    there = False
  if not there:
    return lambda text, counts: None
  from ftjax.data.defaults import get_config

  steps = [s for s in importlib.import_module(_STEPS).steps(get_config()) if s.name in _NAMES]

  def count(text: str, counts: Counter[str]) -> None:
    for step in steps:
      step(Example(text=text), counts)

  return count
