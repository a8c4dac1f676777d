"""Profanity and lists of words of one's own: kept and counted, masked, or the row dropped."""

from __future__ import annotations

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from importlib_resources import files

from ftjax import storage
from ftjax.config import InputError, choice
from ftjax.data.clean.span import Span, resolve, substitute
from ftjax.data.example import Drop, Example
from ftjax.data.files import split

KEEP, MASK, DROP = "keep", "mask", "drop"
_TOKEN = re.compile(r"\w+")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_STARS = "***"


def parse(text: str) -> tuple[str, ...]:
  """The entries of a list: one a line, "#" begins a comment, case and repeats do not count."""
  lines = (re.split(r"(?:^|\s)#", line, maxsplit=1)[0].split() for line in text.splitlines())
  return tuple(dict.fromkeys(" ".join(line).lower() for line in lines if line))


@dataclass(frozen=True)
class WordList:
  """Words and phrases under one name. They match whole words whatever their case; entries in
  scripts that do not part words with spaces match anywhere."""

  name: str
  entries: tuple[str, ...]
  action: str

  def find(self, text: str, present: frozenset[str]) -> list[Span]:
    """present: the text's words in lower case, by which most entries are ruled out."""
    by_word, anywhere = _index(self.entries)
    candidates = [e for w in by_word.keys() & present for e in by_word[w]]
    low = text.lower() if anywhere else ""
    candidates += [e for e in anywhere if e in low]
    return [Span(*m.span(), self.name) for e in candidates for m in _pattern(e).finditer(text)]


@functools.lru_cache(maxsize=32)
def _index(entries: tuple[str, ...]) -> tuple[dict[str, list[str]], list[str]]:
  """(entries by their first word, those that match anywhere)."""
  by_word: dict[str, list[str]] = defaultdict(list)
  anywhere = []
  for entry in entries:
    first = _TOKEN.search(entry)
    if first and not _UNSPACED.search(entry):
      by_word[first[0]].append(entry)
    else:
      anywhere.append(entry)
  return dict(by_word), anywhere


@functools.lru_cache(maxsize=4096)
def _pattern(entry: str) -> re.Pattern:
  body = r"\s+".join(map(re.escape, entry.split()))
  if _UNSPACED.search(entry):
    return re.compile(body, re.I)
  before = r"(?<!\w)" if entry[0].isalnum() else ""
  after = r"(?!\w)" if entry[-1].isalnum() else ""
  return re.compile(before + body + after, re.I)


@dataclass(frozen=True)
class Words:
  """Counts finds by the list's name, never by the word."""

  lists: tuple[WordList, ...]
  name: ClassVar[str] = "words"

  def __call__(self, example: Example, counts: Counter[str]) -> Example | Drop:
    found: Counter[str] = Counter()
    changed = example.map(lambda text: self._mask(text, found))
    counts.update(+found)
    for words in self.lists:
      if words.action == DROP and found[words.name]:
        return Drop(words.name, f"{found[words.name]} of the list's words")
    return changed

  def _mask(self, text: str, found: Counter[str]) -> str:
    present = frozenset(_TOKEN.findall(text.lower()))
    masked: list[Span] = []
    for words in self.lists:
      spans = resolve(words.find(text, present))
      found[words.name] += len(spans)
      masked += spans if words.action == MASK else []
    return substitute(text, resolve(masked), lambda _: _STARS) if masked else text


def make(settings: Mapping[str, Any]) -> Words:
  """settings: `config.words`. Raises InputError for an action that does not exist and for a list
  that cannot be read or is empty."""
  allowed = (KEEP, MASK, DROP)
  profanity = choice(settings["profanity"], allowed, "words.profanity")
  listed = choice(settings["listed"], allowed, "words.listed")
  own = (files("ftjax") / "assets" / "profanity.txt").read_text(encoding="utf-8")
  lists = [WordList("profanity", parse(own), profanity)]
  lists += [WordList(path.rsplit("/", 1)[-1], _read(path), listed) for path in _paths(settings)]
  return Words(tuple(lists))


def _paths(settings: Mapping[str, Any]) -> Iterable[str]:
  names = settings["lists"]
  names = split(names) if isinstance(names, str) else names
  return [path.strip() for path in names if path.strip()]


def _read(path: str) -> tuple[str, ...]:
  try:
    with storage.open_file(path) as file:
      entries = parse(file.read().decode("utf-8-sig"))
  except (OSError, UnicodeDecodeError) as e:
    raise InputError(f"words.lists: {path!r} cannot be read as UTF-8 text: {e}") from e
  if not entries:
    raise InputError(f"words.lists: {path!r} has no words. Write one word or phrase a line.")
  return entries
