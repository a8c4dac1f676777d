"""A small template language, and the rules of English that a template should not think about.

    [red|green|]      one of these, at random; an empty one makes the rest optional; may be nested
    {price}           a fact; its value may be a template again
    <is/are>          the first for one thing, the second for several (`facts["plural"]`)

A template starts in lower case and always says "a": `finish` puts the capitals and "an" in, so
that a sentence may stand after a connective and a fact may start with any sound.
"""

import random
import re
from collections.abc import Iterable, Mapping, Sequence

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_AGREE = re.compile(r"<([^<>/]*)/([^<>/]*)>")
_ARTICLE = re.compile(r"\b([Aa])n? (?=([\w-]+))")
_START = re.compile(r'(^|[.!?]\s+|")([a-z])')


class Writer:
  """Random choices and filled templates.

  Everything is drawn through `random.random`, the one method whose sequence Python promises to
  keep, so that a committed file can be compared with what the generator writes years later.
  """

  def __init__(self, seed: str):
    self._random = random.Random(seed).random

  def chance(self, probability: float) -> bool:
    return self._random() < probability

  def number(self, low: int, high: int) -> int:
    """A whole number, both ends included."""
    return low + int(self._random() * (high - low + 1))

  def pick(self, items: Sequence):
    return items[int(self._random() * len(items))]

  def shuffle(self, items: Iterable) -> list:
    keyed = [(self._random(), place, item) for place, item in enumerate(items)]
    return [item for _, _, item in sorted(keyed, key=lambda each: each[:2])]

  def sample(self, items: Iterable, count: int) -> list:
    return self.shuffle(items)[:count]

  def fill(self, template: str, facts: Mapping[str, str]) -> str:
    """The template with every choice made; an unknown fact is a KeyError."""
    text = template
    while "[" in text or "{" in text:
      text = _CHOICE.sub(lambda match: self.pick(match[1].split("|")), text)
      text = _SLOT.sub(lambda match: facts[match[1]], text)
    return _AGREE.sub(lambda match: match[2 if facts.get("plural") else 1], text)


def article(word: str) -> str:
  """ "a" or "an", by how the word sounds: an hour, a useful thing, an 18 litre pot."""
  lower = word.lower()
  if lower[0].isdigit():
    return "an" if re.match(r"8|1[18](?!\d)", lower) else "a"
  if lower.startswith(("hour", "honest")):
    return "an"
  if lower.startswith(("uni", "use", "usual", "one", "once", "euro")):
    return "a"
  return "an" if lower[0] in "aeiou" else "a"


def articles(text: str) -> str:
  """Every "a" and "an" put right for the word that follows."""
  return _ARTICLE.sub(lambda match: f"{match[1]}{article(match[2])[1:]} ", text)


def plural(noun: str) -> str:
  if noun.endswith(("f", "fe")) and not noun.endswith(("oof", "ff")):
    return f"{noun.rstrip('fe')}ves"
  if re.search(r"[^aeiou]y$", noun):
    return f"{noun[:-1]}ies"
  if noun.endswith("foot"):
    return f"{noun[:-4]}feet"
  return noun + ("es" if noun.endswith(("ch", "sh", "s", "x")) else "s")


def finish(text: str) -> str:
  """Spaces, articles and capitals, put right in prose."""
  text = re.sub(r"[ ]+", " ", text).strip()
  text = re.sub(r" ([.,;:!?])", r"\1", text)
  text = articles(text)
  return _START.sub(lambda m: m[1] + m[2].upper(), text)


def listing(items: Sequence[str]) -> str:
  """ "a, b and c"."""
  return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))
