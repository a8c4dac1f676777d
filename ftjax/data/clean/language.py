"""Which language a row is in, by py3langid (after Lui and Baldwin 2012): 97 languages, its model
inside the package.

On texts of five words and more it is right as often as lingua (2.1), whose wheel is twenty times as large,
which takes ten times the memory and time; below five words neither is to be trusted.
"""

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

_LOOKED_AT = (
  300  # Characters at the start and as many from the middle: more do not change the verdict.
)
_WORD = re.compile(r"[^\W\d_]+")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


@functools.cache
def _identifier():
  from py3langid.langid import MODEL_FILE, LanguageIdentifier

  return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def identify(text: str) -> tuple[str, float]:
  """(ISO 639-1 code, its probability among the languages known)."""
  if len(text) > 2 * _LOOKED_AT:
    middle = len(text) // 2
    text = f"{text[:_LOOKED_AT]}\n{text[middle : middle + _LOOKED_AT]}"
  code, probability = _identifier().classify(text)
  return code, float(probability)


def codes() -> list[str]:
  """The languages that can be told apart."""
  return sorted(_identifier().labels)


@dataclass(frozen=True)
class Language:
  """Counts rows by language code: "short" those too short to be judged, "unknown" those below
  min_probability. Where languages to keep are listed, documents in others or in none that is known
  are dropped; of conversations, which hold names, code and figures, only those in another one."""

  keep: tuple[str, ...]
  min_probability: float
  min_words: int
  name: ClassVar[str] = "language"

  def __call__(self, example: Example, counts: Counter[str]) -> Example | Drop:
    text = example.response
    code, probability = ("", 0.0) if self.short(text) else identify(text)
    if probability < self.min_probability and example.messages:
      text = f"{example.prompt}\n\n{text}"
      code, probability = ("", 0.0) if self.short(text) else identify(text)
    if not code:
      counts["short"] += 1
      return example
    if probability < self.min_probability:
      counts["unknown"] += 1
      if not self.keep or example.messages:
        return example
      return Drop("unknown", f"{code} at {probability:.2f}, at least {self.min_probability:g}")
    counts[code] += 1
    if self.keep and code not in self.keep:
      return Drop("language", f"{code} at {probability:.2f}, kept are {', '.join(self.keep)}")
    return example

  def short(self, text: str) -> bool:
    """Whether it has fewer than min_words words (of scripts without spaces: three letters for a
    word)."""
    start = text[: 100 * self.min_words]
    words = len(_WORD.findall(start))
    return words < self.min_words and words + len(_UNSPACED.findall(start)) // 3 < self.min_words


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
