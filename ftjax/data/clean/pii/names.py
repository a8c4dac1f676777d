"""Names of persons, by presidio-analyzer where it is installed: ftjax does not bring it, as it needs a
language model of its own."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterator

from ftjax.config import InputError
from ftjax.data.clean.span import Span

_SURE = 0.5  # presidio's score from which on a name counts.


def require() -> None:
  """Raises InputError where presidio-analyzer is not installed."""
  if importlib.util.find_spec("presidio_analyzer") is None:
    raise InputError(
      "pii.name needs presidio-analyzer, which is not installed: pip install 'ftjax[names]' && python -m spacy download "
      "en_core_web_lg. Or leave names as they are: pii.name=keep."
    )


@functools.cache
def _analyzer():
  require()
  from presidio_analyzer import AnalyzerEngine

  return AnalyzerEngine()


def persons(text: str, language: str = "en") -> Iterator[Span]:
  """Names of persons in a text of the language."""
  found = _analyzer().analyze(
    text=text, language=language, entities=["PERSON"], score_threshold=_SURE
  )
  for r in found:
    if not text[r.start : r.end].isupper() or "[" not in text[max(0, r.start - 1) : r.start]:
      yield Span(r.start, r.end, "name", text[r.start : r.end].lower(), rank=0)
