"""How much of a text repeats itself: the measures of Gopher (Rae et al. 2021, table A1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence


def repeated(parts: Sequence[str]) -> tuple[float, float]:
  """(share of the parts that stood before, share of their characters that did)."""
  seen: set[str] = set()
  count = characters = 0
  for part in parts:
    if part in seen:
      count += 1
      characters += len(part)
    seen.add(part)
  return count / max(1, len(parts)), characters / max(1, sum(map(len, parts)))


def top(words: Sequence[str], n: int, characters: int) -> float:
  """The share of `characters` (of all words together) in the most frequent n-gram; 0.0 where none
  comes twice. Of n-grams as frequent as each other the first one counts."""
  grams = Counter(_grams(words, n))
  if not grams:
    return 0.0
  gram, count = max(grams.items(), key=lambda item: item[1])
  return count * sum(map(len, gram)) / max(1, characters) if count > 1 else 0.0


def duplicate(words: Sequence[str], n: int, characters: int) -> float:
  """The share of `characters` in n-grams that stood before, each character counted once. The first
  time an n-gram comes it is no repetition."""
  grams = _grams(words, n)
  if len(set(grams)) == len(grams):
    return 0.0
  seen: set[Hashable] = set()
  total = end = 0  # end: up to which word characters are counted.
  for i, gram in enumerate(grams):
    if gram in seen:
      total += sum(map(len, words[max(i, end) : i + n]))
      end = i + n
    seen.add(gram)
  return total / max(1, characters)


def _grams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
  return list(zip(*(words[i:] for i in range(n)), strict=False))
