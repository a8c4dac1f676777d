"""Prompts with fields ("product: Otter kettle | price: £30"), and what a text makes of them.

A text is compared word by word: case, white space, hyphens and currency signs do not count, numbers
are compared as numbers ("£1,000.00", "1000"), and "six" is 6.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ftjax.evaluate.outputs import Asked

COMMON = 0.1  # A field is one that at least this share of the prompts has.
LONGEST = 100  # Characters of a value; a longer one is a text, which nobody repeats word for word.
MEANT = 0.5  # A field is a fact if the references state it this often; else it is an instruction.

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
_NOT_SAID = {"", "yes", "no", "true", "false", "none", "null", "n/a", "-"}  # in these words

_KEY = r"[^\W\d_](?:[^\W_]|[ /'&()_-]){0,39}"
_FIELD = re.compile(rf"(?:^|[.!?]\s)[\s*•#-]*({_KEY})\*{{0,2}}(?<!\d)\s*[:=](?!//)\**\s*(\S.*)$")
_BRACKETS = re.compile(rf"({_KEY})\[([^\[\]]*)\](?!\()")
_ARTICLES = {"a", "an", "the"}


class Word(NamedTuple):
  """A word of a text. key: what it is compared by. digits: it was written in digits."""

  key: str
  start: int
  end: int
  digits: bool


class Fact(NamedTuple):
  """A value of a brief, and the characters [start, end) of the text that state it (None: it does
  not)."""

  field: str
  value: str
  span: tuple[int, int] | None


class Briefs:
  """The fields of many prompts together. `fields`: those that are common among the prompts.
  `facts`: those of them that the references state; the others are instructions, as a tone is."""

  def __init__(self, asked: Asked):
    self._asked = asked
    found = [fields(prompt) for prompt in asked.prompts]
    counts = Counter(name for some in found for name in some)
    least = COMMON * len(found)
    self.fields = [name for name, n in counts.items() if n >= least]
    self._values = [{k: v for k, v in some.items() if k in self.fields} for some in found]
    self._words = [words(prompt) for prompt in asked.prompts]
    self._known = [
      [own, *map(words, references)]
      for own, references in zip(self._words, asked.references, strict=True)
    ]
    self.facts = [name for name in self.fields if self._meant(name)]
    self._every: dict[str, dict[str, set[tuple[str, ...]]]] = {}  # field -> first word -> values
    for some in self._values:
      for name in some.keys() & set(self.facts):
        for value in some[name]:
          keys = _keys(value)
          if keys and not all(map(_is_number, keys)):
            self._every.setdefault(name, {}).setdefault(keys[0], set()).add(keys)

  def __len__(self) -> int:
    return len(self._values)

  def has_fields(self, i: int) -> bool:
    return bool(self._values[i])

  def stated(self, i: int, text: str) -> list[Fact]:
    """Every value of prompt i's fields, with the place in `text` that states it."""
    said = words(text)
    return [
      Fact(name, value, _find(value, said)) for name, some in self._values[i].items() for value in some
    ]  # fmt: skip

  def invented(self, i: int, text: str) -> list[Fact]:
    """What `text` says that neither prompt i nor its references do: numbers and dates (field
    "numbers"), and values that other prompts have in one of `facts`.

    An invented value that no other prompt has is not found, unless it is a number.
    """
    said, known = words(text), self._known[i]
    numbers = set().union(*map(_numbers, known))
    out = [
      Fact("numbers", text[w.start : w.end], (w.start, w.end))
      for key, w in _dated(said)
      if key not in numbers
    ]
    texts = [[w.key for w in some] for some in known]
    for name in self._values[i].keys() & self._every.keys():
      for at, word in enumerate(said):
        for keys in self._every[name].get(word.key, ()):
          here = said[at : at + len(keys)]
          if tuple(w.key for w in here) == keys and not any(_within(keys, t) for t in texts):
            span = here[0].start, here[-1].end
            out.append(Fact(name, text[slice(*span)], span))
    return out

  def _meant(self, name: str) -> bool:
    """Whether the references state the values of a field; True where there are no references."""
    found = [
      _find(value, said) is not None
      for some, known in zip(self._values, self._known, strict=True)
      for value in some.get(name, ())
      for said in known[1:]
    ]
    return not found or sum(found) >= MEANT * len(found)


def fields(prompt: str) -> dict[str, list[str]]:
  """{field: values} of a prompt; empty where it has none.

  Reads a JSON object; `name[The Eagle], food[French]`; and `key: value` or `key = value`, parted by
  line breaks, "|", ";" or ",", where there are at least two of them. Values that a text never says
  in these words ("yes", "none") and long ones are left out.
  """
  found = _json(prompt) or _brackets(prompt) or _lines(prompt)
  out: dict[str, list[str]] = {}
  for name, value in found:
    value = value.strip().strip("\"'*").rstrip(".,;").strip()
    if value.casefold() not in _NOT_SAID and len(value) <= LONGEST:
      out.setdefault(" ".join(name.casefold().split()), []).append(value)
  return out


def words(text: str) -> list[Word]:
  """The words of a text as they are compared."""
  out: list[Word] = []
  for m in _WORD.finditer(text):
    if m["number"]:
      keys = _as_numbers(m["number"])
      out += [Word(key, m.start(), m.end(), True) for key in keys]
      continue
    key = unicodedata.normalize("NFKC", m[0]).casefold().replace("’", "'").removesuffix("'s")
    if key in _CURRENCIES and out and _is_number(out[-1].key):
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


def _is_number(key: str) -> bool:
  return key[0].isdigit() or key[0] == "."


def _keys(value: str) -> tuple[str, ...]:
  """What a value is looked for by: its words, without an article before them."""
  keys = [w.key for w in words(value)]
  return tuple(keys[1:] if len(keys) > 1 and keys[0] in _ARTICLES else keys)


def _find(value: str, said: Sequence[Word]) -> tuple[int, int] | None:
  """Where `said` states a value: its words in a row; all its numbers, for a value of numbers and
  months alone; or each part of a list ("light, strong and small")."""
  keys = _keys(value)
  for at in range(len(said) - len(keys) + 1 if keys else 0):
    if all(w.key == k for w, k in zip(said[at:], keys, strict=False)):
      return said[at].start, said[at + len(keys) - 1].end
  numbers = [_MONTHS.get(k, k) for k in keys]
  if keys and all(map(_is_number, numbers)):
    found = [(key, w) for key, w in _dated(said, spelled=True) if key in numbers]
    if {key for key, _ in found} >= set(numbers):
      return found[0][1].start, found[0][1].end
    return None
  parts = [p for p in re.split(r"\s*[,;]\s*|\s+(?:and|&)\s+", value) if p]
  if len(parts) > 1:
    spans = [_find(part, said) for part in parts]
    return spans[0] if all(spans) else None
  return None


def _dated(said: Sequence[Word], spelled: bool = False) -> Iterable[tuple[str, Word]]:
  """Numbers written in digits (`spelled`: or as words), and months beside such a number."""
  for at, w in enumerate(said):
    if w.digits or spelled and _is_number(w.key):
      yield w.key, w
    elif w.key in _MONTHS and any(n.digits for n in (*said[max(0, at - 1) : at], *said[at + 1 : at + 2])):  # fmt: skip
      yield _MONTHS[w.key], w


def _numbers(said: Sequence[Word]) -> set[str]:
  """All numbers of a text, and all months whether or not they have a day."""
  return {_MONTHS.get(w.key, w.key) for w in said}


def _within(keys: tuple[str, ...], text: Sequence[str]) -> bool:
  return any(tuple(text[at : at + len(keys)]) == keys for at in range(len(text) - len(keys) + 1))


def _json(prompt: str) -> list[tuple[str, str]]:
  for at in [m.start() for m in re.finditer(r"\{\s*\"", prompt)][:8]:
    try:
      found, _ = json.JSONDecoder().raw_decode(prompt, at)
    except (ValueError, RecursionError):
      continue
    return list(_flat("", found))
  return []


def _flat(name: str, value: Any) -> Iterable[tuple[str, str]]:
  if isinstance(value, Mapping):
    for key, inner in value.items():
      yield from _flat(f"{name}.{key}" if name else key, inner)
  elif isinstance(value, list):
    for inner in value:
      yield from _flat(name, inner)
  elif isinstance(value, str | int | float) and not isinstance(value, bool):
    yield name, str(value)


def _brackets(prompt: str) -> list[tuple[str, str]]:
  """`name[The Eagle], food[French]`, on lines that hold nothing else."""
  return [
    pair
    for line in prompt.splitlines()
    if not _BRACKETS.sub("", line).strip(" ,;|\t")
    for pair in _BRACKETS.findall(line)
  ]


def _lines(prompt: str) -> list[tuple[str, str]]:
  found = [pair for line in prompt.splitlines() for pair in _line(line)]
  return found if len(found) > 1 else []


def _line(line: str) -> list[tuple[str, str]]:
  """The fields of a line, which may hold several; a part that is no field belongs to the value
  before it."""
  for sep in ("|", ";", ","):
    parts = line.split(sep)
    pairs = list(map(_pair, parts))
    if sum(map(bool, pairs)) < 2:
      continue
    out: list[tuple[str, str]] = []
    for part, pair in zip(parts, pairs, strict=True):
      if pair:
        out.append(pair)
      elif out and sep != "|":
        out[-1] = out[-1][0], f"{out[-1][1]}{sep}{part}"
    return out
  pair = _pair(line)
  return [pair] if pair else []


def _pair(part: str) -> tuple[str, str] | None:
  m = _FIELD.search(part.strip())
  if m is None or len(m[1].split()) > 4:
    return None
  return m[1].strip(), m[2]
