"""Which language a row is in, by py3langid (after Lui and Baldwin 2012): 97 languages, its model
inside the package."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ftjax.config import InputError
from ftjax.data.example import Drop, Example
from ftjax.plugin import did_you_mean

_LOOKED_AT = 2000  # Characters; more do not change the verdict.
_WORD = re.compile(r"[^\W\d_]+")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


@functools.cache
def _identifier():
  from py3langid.langid import MODEL_FILE, LanguageIdentifier

  return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def identify(text: str) -> tuple[str, float]:
  """(ISO 639-1 code, its probability among the languages known)."""
  code, probability = _identifier().classify(text[:_LOOKED_AT])
  return code, float(probability)


def codes() -> list[str]:
  """The languages that can be told apart."""
  return sorted(_identifier().labels)


@dataclass(frozen=True)
class Language:
  """Counts rows by language code: "short" those too short to be judged, "unknown" those below
  min_probability, which a list of languages to keep drops."""

  keep: tuple[str, ...]
  min_probability: float
  min_words: int
  name: ClassVar[str] = "language"

  def __call__(self, example: Example, counts: Counter[str]) -> Example | Drop:
    text = example.response
    if self.short(text):
      text = f"{example.prompt}\n\n{text}"
    if self.short(text):
      counts["short"] += 1
      return example
    code, probability = identify(text)
    if probability < self.min_probability:
      counts["unknown"] += 1
      if not self.keep:
        return example
      return Drop("unknown", f"{code} at {probability:.2f}, at least {self.min_probability:g}")
    counts[code] += 1
    if self.keep and code not in self.keep:
      return Drop("language", f"{code} at {probability:.2f}, kept are {', '.join(self.keep)}")
    return example

  def short(self, text: str) -> bool:
    """Whether it has fewer than min_words words (of scripts without spaces: three letters for a
    word)."""
    if len(text) > 40 * self.min_words:
      return False
    words = len(_WORD.findall(text))
    return words < self.min_words and words + len(_UNSPACED.findall(text)) // 3 < self.min_words


def make(settings: Mapping[str, Any]) -> Language:
  """settings: `config.language`. Raises InputError for a code that is not known."""
  keep = settings["keep"]
  keep = keep.replace(",", " ").split() if isinstance(keep, str) else list(keep)
  if keep:
    known = codes()
    for code in keep:
      if code not in known:
        raise InputError(
          f"language.keep={settings['keep']!r}: {code!r} is not a language code. Use ISO 639-1 codes between commas, as in "
          f"'en,de': {', '.join(known)}.{did_you_mean(code, known)}"
        )
  return Language(tuple(keep), settings["min_probability"], settings["min_words"])
