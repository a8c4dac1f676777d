"""The steps that a row goes through alone, in order, and the hiding of what a report must not show."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ftjax.data.clean import (
  boilerplate,
  language,
  length,
  markup,
  pii,
  quality,
  secrets,
  text,
  whitespace,
  words,
)
from ftjax.data.example import Step


def steps(config: Any) -> list[Step]:
  """The steps that the config asks for. What removes comes before what judges, and what judges
  before what hides: placeholders never enter a figure. What is far too long is not cleaned at all."""
  made = (
    length.make(config.quality),
    text.make(config.clean),
    markup.make(config.clean),
    boilerplate.make(config.clean),
    whitespace.make(config.clean),
    quality.make(config.quality),
    language.make(config.language),
    words.make(config.words),
    secrets.make(config.secrets),
    pii.make(config.pii),
  )
  return [step for step in made if step is not None]


_ALL = pii.Pii(tuple((kind, pii.MASK) for kind in pii.KINDS if kind != "name"))


def hide(text: str) -> str:
  """The text with placeholders for every secret and all personal data but names. Hide first and
  cut then: half a number is not recognised."""
  return _ALL.change(secrets.mask(text, Counter()), Counter())


def excerpt(text: str, length: int = 300) -> str:
  """The beginning of a text for a report, of at most `length` characters, with nothing private in
  it."""
  shown = hide(text[: 40 * length])
  return shown if len(shown) <= length else shown[: length - 1].rstrip() + "…"
