"""Rows that are no text worth learning from: repetition, lists without sentences, symbols.

The rules and most thresholds are Gopher's (Rae et al. 2021, table A1 and appendix A.1.1); single lines
come from C4 (Raffel et al. 2020) and FineWeb (Penedo et al. 2024, section 3.6). They were made for
web pages, so they judge documents of `min_document` words and more only. An answer may be "Yes.", a
table, a song with its refrain: it is dropped where it is empty or goes round in circles.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from ftjax.data.clean.code import blocks
from ftjax.data.clean.repetition import Grams, repeated
from ftjax.data.clean.stopwords import stop_words
from ftjax.data.example import Drop, Example

# Scripts that do not part words with spaces: each of their letters is taken for a word.
_UNSPACED = (
  "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
)
_WORDS = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")
_ONE = re.compile(rf"[{_UNSPACED}]")
_HEADING = re.compile(r"^#{1,6}\s", re.M)
_BULLETS = ("- ", "* ", "+ ", "•", "‣", "◦", "▪", "●", "·")
_ELLIPSES = ("...", "…")
_TERMINAL = tuple(".!?:;…\"”’'»。！？」।؟")
_SENTENCES = (
  3  # Words of a line from which on it may count as repeated: names of speakers may come again.
)

# The threshold in `config.quality` that each reason crosses.
KEYS = {
  "too_short": "min_words", "too_long": "max_words", "short_words": "min_mean_word_length",
  "long_words": "max_mean_word_length", "symbols": "max_symbol_ratio", "few_words_with_letters": "min_alphabetic_words",
  "bullets": "max_bullet_lines", "ellipses": "max_ellipsis_lines", "few_sentences": "min_terminal_lines",
  "lorem_ipsum": "max_lorem_ipsum", "few_stop_words": "min_stop_words", "duplicate_lines": "max_duplicate_lines",
  "duplicate_line_characters": "max_duplicate_line_characters", "duplicate_paragraphs": "max_duplicate_paragraphs",
  "top_2gram": "max_top_2gram", "top_4gram": "max_top_4gram", "duplicate_5gram": "max_duplicate_5gram",
  "duplicate_10gram": "max_duplicate_10gram", "repetition": "max_answer_repetition",
}  # fmt: skip


@dataclass(frozen=True)
class Quality:
  """The thresholds, by their names in `config.quality`. Judges the document or the answers."""

  min_words: int
  max_words: int
  min_mean_word_length: float
  max_mean_word_length: float
  max_symbol_ratio: float
  min_alphabetic_words: float
  min_stop_words: int
  max_bullet_lines: float
  max_ellipsis_lines: float
  min_terminal_lines: float
  max_duplicate_lines: float
  max_duplicate_paragraphs: float
  max_duplicate_line_characters: float
  max_top_2gram: float
  max_top_4gram: float
  max_duplicate_5gram: float
  max_duplicate_10gram: float
  max_lorem_ipsum: int
  max_answer_repetition: float
  min_document: int
  name: ClassVar[str] = "quality"

  def __call__(self, example: Example, counts: Counter[str]) -> Example | Drop:
    text = example.response
    if not text.strip():
      return Drop("empty", "no words")
    return next(self.faults(text, not example.messages), example)

  def faults(self, text: str, document: bool = True) -> Iterator[Drop]:
    """What is wrong with a text, in the order of the rules. document: no answer, so that the
    rules of web pages hold for it."""
    words = _split(text)
    if document and len(words) < self.min_words:
      yield Drop("too_short", f"{len(words)} words, at least {self.min_words}")
    if len(words) > self.max_words:
      yield Drop("too_long", f"{len(words)} words, at most {self.max_words}")
    if len(words) < self.min_document:
      return
    prose = "".join(part for code, part in blocks(text) if not code) if "```" in text else text
    if prose is not text:
      words = _split(prose)
      if len(words) < self.min_document:
        return
    spaced = text.isascii() or sum(map(len, _ONE.findall(prose))) < len(words) / 2
    if document:
      yield from self._words(prose, words, spaced)
      yield from self._page(prose, words, spaced)
      yield from self._repetition(prose, words)
    else:
      yield from _most("repetition", Grams(words).duplicate(10), self.max_answer_repetition)

  def _words(self, text: str, words: list[str], spaced: bool) -> Iterator[Drop]:
    mean = sum(map(len, words)) / len(words)
    if spaced and mean < self.min_mean_word_length:
      yield Drop("short_words", f"{mean:.2f} characters, at least {self.min_mean_word_length}")
    if spaced and mean > self.max_mean_word_length:
      yield Drop("long_words", f"{mean:.2f} characters, at most {self.max_mean_word_length}")
    marks = text.count("#") - len(_HEADING.findall(text)) if "#" in text else 0
    symbols = (marks + text.count("...") + text.count("…")) / len(words)
    yield from _most("symbols", symbols, self.max_symbol_ratio)
    letters = sum(map(str.isalpha, words)) / len(words)
    if letters < self.min_alphabetic_words:  # Look closer: "word," and "don't" have letters too.
      letters = sum(any(map(str.isalpha, w)) for w in words) / len(words)
    yield from _least("few_words_with_letters", letters, self.min_alphabetic_words)

  def _page(self, text: str, words: list[str], spaced: bool) -> Iterator[Drop]:
    lines = [line.strip() for line in text.split("\n") if line and not line.isspace()]
    bullets = sum(line.startswith(_BULLETS) for line in lines) / len(lines)
    yield from _most("bullets", bullets, self.max_bullet_lines)
    ellipses = sum(line.endswith(_ELLIPSES) for line in lines) / len(lines)
    yield from _most("ellipses", ellipses, self.max_ellipsis_lines)
    ended = sum(line.endswith(_TERMINAL) for line in lines) / len(lines)
    yield from _least("few_sentences", ended, self.min_terminal_lines)
    lorem = text.lower().count("lorem ipsum")
    if lorem > self.max_lorem_ipsum:
      yield Drop("lorem_ipsum", f"{lorem}, at most {self.max_lorem_ipsum}")
    if spaced and self.min_stop_words:
      found = stop_words(text, words, self.min_stop_words)
      if found < self.min_stop_words:
        yield Drop("few_stop_words", f"{found} different, at least {self.min_stop_words}")

  def _repetition(self, text: str, words: list[str]) -> Iterator[Drop]:
    lines = [
      line for raw in text.split("\n") if len((line := raw.strip()).split(None, 3)) >= _SENTENCES
    ]
    share, characters = repeated(lines)
    yield from _most("duplicate_lines", share, self.max_duplicate_lines)
    yield from _most("duplicate_line_characters", characters, self.max_duplicate_line_characters)
    paragraphs = [p for p in text.split("\n\n") if len(p.split(None, 3)) >= _SENTENCES]
    share, _ = repeated(paragraphs)
    yield from _most("duplicate_paragraphs", share, self.max_duplicate_paragraphs)
    grams = Grams(words)
    yield from _most("top_2gram", grams.top(2), self.max_top_2gram)
    yield from _most("top_4gram", grams.top(4), self.max_top_4gram)
    five = grams.duplicate(5)
    yield from _most("duplicate_5gram", five, self.max_duplicate_5gram)
    if five:
      yield from _most("duplicate_10gram", grams.duplicate(10), self.max_duplicate_10gram)


def _split(text: str) -> list[str]:
  return text.split() if text.isascii() or not _ONE.search(text) else _WORDS.findall(text)


def _most(reason: str, figure: float, bound: float) -> Iterator[Drop]:
  if figure > bound:
    yield Drop(reason, f"{figure:.3f}, at most {bound:g}")


def _least(reason: str, figure: float, bound: float) -> Iterator[Drop]:
  if figure < bound:
    yield Drop(reason, f"{figure:.3f}, at least {bound:g}")


def make(settings: Mapping[str, Any]) -> Quality | None:
  """settings: `config.quality`."""
  if not settings["enabled"]:
    return None
  return Quality(**{f.name: settings[f.name] for f in fields(Quality)})
