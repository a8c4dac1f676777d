"""Prompts with fields, and what a text makes of them."""

from collections import Counter
from typing import NamedTuple

from ftjax.evaluate.fields import fields
from ftjax.evaluate.outputs import Asked
from ftjax.evaluate.words import dated, find, is_number, key_of, numbers, within, words

COMMON = 0.1  # A field is one that at least this share of the prompts has.
MEANT = 0.5  # A field is a fact if the references state it this often; else it is an instruction.


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
    found = [fields(prompt) for prompt in asked.prompts]
    counts = Counter(name for some in found for name in some)
    least = COMMON * len(found)
    self.fields = [name for name, n in counts.items() if n >= least]
    self._values = [{k: v for k, v in some.items() if k in self.fields} for some in found]
    self._known = [
      [words(prompt), *map(words, references)]
      for prompt, references in zip(asked.prompts, asked.references, strict=True)
    ]
    self.facts = [name for name in self.fields if self._meant(name)]
    self._every: dict[str, dict[str, set[tuple[str, ...]]]] = {}  # field -> first word -> values
    for some in self._values:
      for name in some.keys() & set(self.facts):
        for value in some[name]:
          keys = key_of(value)
          if keys and not all(map(is_number, keys)):
            self._every.setdefault(name, {}).setdefault(keys[0], set()).add(keys)

  def has_fields(self, i: int) -> bool:
    return bool(self._values[i])

  def stated(self, i: int, text: str) -> list[Fact]:
    """Every value of prompt i's fields, with the place in `text` that states it."""
    said = words(text)
    return [
      Fact(name, value, find(value, said)) for name, some in self._values[i].items() for value in some
    ]  # fmt: skip

  def invented(self, i: int, text: str) -> list[Fact]:
    """What `text` says that neither prompt i nor its references do: numbers and dates (field
    "numbers"), and values that other prompts have in one of `facts`.

    An invented value that no other prompt has is not found, unless it is a number.
    """
    said, known = words(text), self._known[i]
    allowed = set().union(*map(numbers, known))
    out = [
      Fact("numbers", text[w.start : w.end], (w.start, w.end))
      for key, w in dated(said)
      if key not in allowed
    ]
    texts = [[w.key for w in some] for some in known]
    for name in self._values[i].keys() & self._every.keys():
      for at, word in enumerate(said):
        for keys in self._every[name].get(word.key, ()):
          here = said[at : at + len(keys)]
          if tuple(w.key for w in here) == keys and not any(within(keys, t) for t in texts):
            span = here[0].start, here[-1].end
            out.append(Fact(name, text[slice(*span)], span))
    return out

  def _meant(self, name: str) -> bool:
    """Whether the references state the values of a field; True where there are no references."""
    found = [
      find(value, said) is not None
      for some, known in zip(self._values, self._known, strict=True)
      for value in some.get(name, ())
      for said in known[1:]
    ]
    return not found or sum(found) >= MEANT * len(found)
