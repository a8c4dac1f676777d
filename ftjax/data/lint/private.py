"""Counts of personal data and secrets in rows, with the steps that preparation has for them."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable

from ftjax.data.defaults import get_config
from ftjax.data.example import Example


@functools.cache
def counter() -> Callable[[str, Counter[str]], None]:
  """A function that adds what it finds in a text to a Counter, by kind."""
  from ftjax.data.clean import pii, secrets  # Only a check needs them: they take a while to import.

  config = get_config()
  wanted = [step for step in (pii.make(config.pii), secrets.make(config.secrets)) if step]

  def count(text: str, counts: Counter[str]) -> None:
    for step in wanted:
      step(Example(text=text), counts)

  return count
