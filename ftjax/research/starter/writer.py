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

Facts = dict[str, str]

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_AGREE = re.compile(r"<([^<>/]*)/([^<>/]*)>")
_ARTICLE = re.compile(r"\b([Aa])n? (?=([\w-]+))")
_START = re.compile(r'(^|[.!?]\s+|")([a-z])')

CONNECTIVES = ("also,", "in addition,", "what is more,", "besides,")
_TAKES_CONNECTIVE = ("it ", "they ", "the ", "there ")


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

  def write(self, template: str, facts: Mapping[str, str]) -> str:
    return finish(self.fill(template, facts))

  def paragraph(
    self,
    table: Mapping[str, Sequence[str]],
    facts: Facts,
    topics: Iterable[str],
    closing: float = 0.4,
  ) -> str:
    """An opening, then every topic once in random order, then a closing as often as `closing`.

    A key of `table` names the topics its sentences cover, one or several ("price colour").
    """
    parts = [self.fill(self.pick(table["opening"]), facts)]
    left = self.shuffle(topics)
    while left:
      keys = [k for k in table if left[0] in k.split() and set(k.split()) <= set(left)]
      key = self.pick(keys)
      sentence = self.fill(self.pick(table[key]), facts)
      if sentence.startswith(_TAKES_CONNECTIVE) and self.chance(0.08):
        sentence = f"{self.pick(CONNECTIVES)} {sentence}"
      parts.append(sentence)
      left = [topic for topic in left if topic not in key.split()]
    if self.chance(closing):
      parts.append(self.fill(self.pick(table["closing"]), facts))
    return finish(" ".join(parts))


def topics_of(table: Mapping[str, Sequence[str]]) -> list[str]:
  """The topics a table can speak about, in its own order."""
  names = (topic for key in table for topic in key.split())
  return [topic for topic in dict.fromkeys(names) if topic not in ("opening", "closing")]


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
  if noun.endswith(("f", "fe")):
    return f"{noun.rstrip('fe')}ves"
  return noun + ("es" if noun.endswith(("ch", "sh", "s", "x")) else "s")


def finish(text: str) -> str:
  """Spaces, articles and capitals, put right in prose."""
  text = re.sub(r"[ ]+", " ", text).strip()
  text = re.sub(r" ([.,;:!?])", r"\1", text)
  text = articles(text)
  return _START.sub(lambda m: m[1] + m[2].upper(), text)


def listing(items: Sequence[str], word: str = "and") -> str:
  """ "a, b and c"."""
  return f" {word} ".join(filter(None, [", ".join(items[:-1]), items[-1]]))
