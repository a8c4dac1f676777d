"""Words of texts, compared: case, white space, hyphens and currency signs do not count, numbers are
compared as numbers ("£1,000.00", "1000"), and "six" is 6."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(
  rf"(?P<number>\d+(?:[.,]\d+)*)|[{_UNSPACED}]|&"
  rf"|(?:(?![{_UNSPACED}])[^\W\d_])(?:(?![{_UNSPACED}])[^\W_])*(?:['’](?:(?![{_UNSPACED}])[^\W_])+)*"
)
_UNITS = "zero one two three four five six seven eight nine ten eleven twelve".split()
_SPELLED = {word: str(n) for n, word in enumerate(_UNITS)} | {"dozen": "12", "twenty": "20"}
_MONTHS = {
  name: str(n)
  for n, names in enumerate(
    "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug"
    "|september sept sep|october oct|november nov|december dec".split("|"), 1
  )
  for name in names.split()
}  # fmt: skip
_CURRENCIES = {"pound", "pounds", "dollar", "dollars", "euro", "euros", "gbp", "usd", "eur"}
_ARTICLES = {"a", "an", "the"}


class Word(NamedTuple):
  """A word of a text. key: what it is compared by. digits: it was written in digits."""

  key: str
  start: int
  end: int
  digits: bool


def words(text: str) -> list[Word]:
  """The words of a text as they are compared."""
  out: list[Word] = []
  for m in _WORD.finditer(text):
    if m["number"]:
      keys = _as_numbers(m["number"])
      out += [Word(key, m.start(), m.end(), True) for key in keys]
      continue
    key = unicodedata.normalize("NFKC", m[0]).casefold().replace("’", "'").removesuffix("'s")
    if key in _CURRENCIES and out and is_number(out[-1].key):
      continue
    out.append(Word(_SPELLED.get(key, "and" if key == "&" else key), m.start(), m.end(), False))
  return out


def _as_numbers(text: str) -> list[str]:
  """ "1,000.50" -> ["1000.5"]; "8,95" -> ["8.95"]; "12.05.2024" -> ["12", "5", "2024"]."""
  if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", text):
    parts = [text.replace(",", "")]
  elif re.fullmatch(r"\d+([.]\d+|,\d{1,2})?", text):
    parts = [text.replace(",", ".")]
  elif re.fullmatch(r"\d{1,3}(\.\d{3})+(,\d+)?", text):
    parts = [text.replace(".", "").replace(",", ".")]
  else:
    parts = re.split("[.,]", text)
  plain = lambda p: p.lstrip("0") or "0"
  return [plain(p.rstrip("0").rstrip(".")) if "." in p else plain(p) for p in parts]


def is_number(key: str) -> bool:
  return key[0].isdigit() or key[0] == "."


def key_of(value: str) -> tuple[str, ...]:
  """What a value is looked for by: its words, without an article before them."""
  keys = [w.key for w in words(value)]
  return tuple(keys[1:] if len(keys) > 1 and keys[0] in _ARTICLES else keys)


def find(value: str, said: Sequence[Word]) -> tuple[int, int] | None:
  """Where `said` states a value: its words in a row; all its numbers, for a value of numbers and
  months alone; or each part of a list ("light, strong and small")."""
  keys = key_of(value)
  for at in range(len(said) - len(keys) + 1 if keys else 0):
    if all(w.key == k for w, k in zip(said[at:], keys, strict=False)):
      return said[at].start, said[at + len(keys) - 1].end
  numbers = [_MONTHS.get(k, k) for k in keys]
  if keys and all(map(is_number, numbers)):
    found = [(key, w) for key, w in dated(said, spelled=True) if key in numbers]
    if {key for key, _ in found} >= set(numbers):
      return found[0][1].start, found[0][1].end
    return None
  parts = [p for p in re.split(r"\s*[,;]\s*|\s+(?:and|&)\s+", value) if p]
  if len(parts) > 1:
    spans = [find(part, said) for part in parts]
    return spans[0] if all(spans) else None
  return None


def dated(said: Sequence[Word], spelled: bool = False) -> Iterable[tuple[str, Word]]:
  """Numbers written in digits (`spelled`: or as words), and months beside such a number."""
  for at, w in enumerate(said):
    if w.digits or spelled and is_number(w.key):
      yield w.key, w
    elif w.key in _MONTHS and any(n.digits for n in (*said[max(0, at - 1) : at], *said[at + 1 : at + 2])):  # fmt: skip
      yield _MONTHS[w.key], w


def numbers(said: Sequence[Word]) -> set[str]:
  """All numbers of a text, and all months whether or not they have a day."""
  return set(filter(is_number, (_MONTHS.get(w.key, w.key) for w in said)))


def within(keys: tuple[str, ...], text: Sequence[str]) -> bool:
  return any(tuple(text[at : at + len(keys)]) == keys for at in range(len(text) - len(keys) + 1))
