"""Broken encodings mended, characters that nobody sees removed, Unicode brought to one form."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ftjax.config import choice
from ftjax.data.example import Example

# Without any other characters than these a text has no damage: ASCII but control characters, and the
# quotes, dashes, ellipses and no-break spaces of typography, which alone make no mojibake: as bytes
# they are all first ones in Mac Roman, and none is in Windows-1252.
_SUSPECT = re.compile("[^\t\n\x20-\x7e\u2013\u2014\u2018\u2019\u201c\u201d\u2026\u00a0]")
# Soft hyphens; zero-width spaces, but between letters of scripts that part their words with them
# (Thai, Lao, Myanmar, Khmer); tag characters that belong to no flag: text hidden from the reader.
_UNSEEN = re.compile(
  "\u00ad|(?<![\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])\u200b"
  "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]+"
)


@functools.cache
def _ftfy():
  """ftfy's `fix_text` set to mend damage only: mojibake, lost bytes, C1 controls, surrogates, line
  ends, control characters and terminal escapes. Its defaults go further and flatten typography:
  quotes would be uncurled, ligatures parted, full-width letters narrowed; HTML entities belong to
  the markup step and normalisation follows here."""
  import ftfy

  config = ftfy.TextFixerConfig(
    unescape_html=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    normalization=None,
    explain=False,
  )
  return lambda text: ftfy.fix_text(text, config)


def fix(text: str) -> str:
  """The text with its damage mended; the same text again where there is none."""
  if not _SUSPECT.search(text):
    return text
  text = text.replace("\r\n", "\n").replace("\r", "\n")
  return "\n".join([_line(t) if _SUSPECT.search(t) else t for t in text.split("\n")])


def _line(text: str) -> str:
  for _ in range(4):  # What one round uncovers, the next mends; two are nearly always enough.
    before, text = text, _UNSEEN.sub("", _ftfy()(text))
    if text == before:
      break
  return text


@dataclass(frozen=True)
class Text:
  """Mends (ftfy), then normalises: form is NFC, NFKC or none."""

  fix: bool
  form: str
  name: ClassVar[str] = "text"

  def __call__(self, example: Example, counts: Counter[str]) -> Example:
    return example.map(self.change)

  def change(self, text: str) -> str:
    if not self.fix or not _SUSPECT.search(text):
      return self._normal(text)
    for _ in range(4):  # A letter put together from its parts may complete a broken sequence.
      before = text
      text = self._normal(fix(unicodedata.normalize("NFC", text) if self.form != "none" else text))
      if text == before:
        break
    return text

  def _normal(self, text: str) -> str:
    if self.form == "none" or unicodedata.is_normalized(self.form, text):
      return text
    return unicodedata.normalize(self.form, text)


def make(settings: Mapping[str, Any]) -> Text | None:
  """settings: `config.clean`."""
  form = choice(settings["unicode"], ("NFC", "NFKC", "none"), "clean.unicode")
  return Text(bool(settings["fix"]), form) if settings["fix"] or form != "none" else None
