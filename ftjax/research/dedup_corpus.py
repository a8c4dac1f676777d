"""A corpus of made-up documents in which it is known what repeats what, and where personal data
stands.

Words are syllables, drawn by Zipf's law from a vocabulary of 100,000, so that unrelated documents
have next to no shingle of three words in common; lengths are log-normal round 200 words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ftjax.research import dedup_personal

SAME, RESTYLED = "exact", "exact but for case and punctuation"
NEAR = {"near 0.9": 0.9, "near 0.8": 0.8, "near 0.7": 0.7}
_SHARE = 0.05  # of the rows: each class of copies, of which the exact ones are two halves
_VOCABULARY = 100_000
_EDITED = (
  60  # words of a document from which on a single edit moves its similarity by less than 0.1
)
_BATCH = 5_000


@dataclass(frozen=True)
class Pair:
  """A planted copy. similarity: the Jaccard similarity of their shingle sets, as measured on the
  texts by `similarity`."""

  original: int
  copy: int
  kind: str
  similarity: float


@dataclass(frozen=True)
class Corpus:
  texts: list[str]
  pairs: list[Pair]
  personal: list[dedup_personal.Planted]


def make(rows: int, seed: int = 0) -> Corpus:
  """`rows` documents in random order: a twentieth of them exact copies, of which half differ in
  case and punctuation, and a twentieth each edited down to a similarity of just above 0.9, 0.8 and
  0.7. Personal data and look-alikes stand in documents that have no copy."""
  random = np.random.default_rng(seed)
  copies = int(rows * _SHARE)
  texts = _documents(rows - (1 + len(NEAR)) * copies, random)
  long = [i for i in random.permutation(len(texts)).tolist() if texts[i].count(" ") >= _EDITED]
  originals = iter(long)
  pairs = []
  for i in range(copies):
    original = next(originals)
    kind = (SAME, RESTYLED)[i % 2]
    texts.append(texts[original] if kind == SAME else _restyle(texts[original], random))
    pairs.append(Pair(original, len(texts) - 1, kind, 1.0))
  for kind, target in NEAR.items():
    for original, _ in zip(originals, range(copies), strict=False):
      text, found = _edit(texts[original], target, random)
      texts.append(text)
      pairs.append(Pair(original, len(texts) - 1, kind, found))
  used = {p.original for p in pairs}
  alone = [i for i in range(len(texts) - len(pairs)) if i not in used]
  personal = dedup_personal.plant(texts, alone, random)
  place = random.permutation(len(texts))
  at = place.tolist()
  shuffled = [""] * len(texts)
  for i, text in zip(at, texts, strict=True):
    shuffled[i] = text
  return Corpus(
    shuffled,
    [Pair(at[p.original], at[p.copy], p.kind, p.similarity) for p in pairs],
    [dedup_personal.Planted(at[p.row], p.kind, p.value) for p in personal],
  )


def shingle_set(text: str, size: int = 3) -> set[tuple[str, ...]]:
  """The runs of `size` successive words, by nothing but Python's own means."""
  words = re.findall(r"\w+", text.casefold())
  return {tuple(words[i : i + size]) for i in range(max(1, len(words) - size + 1))}


def similarity(one: str, other: str) -> float:
  """The Jaccard similarity of two documents."""
  a, b = shingle_set(one), shingle_set(other)
  return len(a & b) / len(a | b)


def _vocabulary(random: np.random.Generator) -> list[str]:
  """Different words, the frequent ones shorter."""
  syllables = [c + v for c in "bdfghjklmnprstvwz" for v in ("a", "e", "i", "o", "u", "an", "er")]
  found: dict[str, None] = {}
  for size, until in [(1, 100), (2, 5_000), (3, 50_000), (4, _VOCABULARY)]:
    while len(found) < until:
      ids = random.integers(0, len(syllables), (until, size)).tolist()
      words = dict.fromkeys("".join(syllables[i] for i in row) for row in ids)
      new = [w for w in words if w not in found]
      found |= dict.fromkeys(new[: until - len(found)])
  return list(found)


def _documents(number: int, random: np.random.Generator) -> list[str]:
  """Sentences of about twelve words."""
  vocabulary = _vocabulary(np.random.default_rng(7))  # One language, whatever the seed.
  forms = [
    *vocabulary,
    *(w.capitalize() for w in vocabulary),
    *(w + "," for w in vocabulary),
    *(w + "." for w in vocabulary),
  ]
  chances = np.cumsum(1 / (np.arange(_VOCABULARY) + 2.7))  # Zipf-Mandelbrot
  chances /= chances[-1]
  texts: list[str] = []
  while len(texts) < number:
    rows = min(_BATCH, number - len(texts))
    lengths = np.maximum(np.exp(random.normal(np.log(200) - 0.18, 0.6, rows)), 8).astype(int)
    ids = np.searchsorted(chances, random.random(lengths.sum()), "right")
    ends = np.cumsum(lengths)
    last = random.random(len(ids)) < 1 / 12
    last[ends - 1] = True
    first = np.concatenate([[True], last[:-1]])
    comma = random.random(len(ids)) < 1 / 15
    form = np.where(last, 3, np.where(first, 1, np.where(comma, 2, 0)))
    tokens = list(map(forms.__getitem__, (ids + form * _VOCABULARY).tolist()))
    starts = (ends - lengths).tolist()
    texts += [" ".join(tokens[a:b]) for a, b in zip(starts, ends.tolist(), strict=True)]
  return texts


def _restyle(text: str, random: np.random.Generator) -> str:
  """The same words in other case, spacing and punctuation."""
  text = text.upper() if random.random() < 0.5 else text.lower()
  return text.replace(". ", " - ").replace(", ", " ; ").replace(" ", "  ", 3).rstrip(".") + " !"


def _edit(text: str, target: float, random: np.random.Generator) -> tuple[str, float]:
  """(The text with words replaced, inserted and left out, its similarity): as many edits as leave
  it at or above the target. An edit takes up to three shingles from a set and adds up to three."""
  words = text.split()
  most = int(len(words) * (1 - target) / (2.5 * (1 + target))) + 2
  places = random.permutation(len(words) // 4)[:most] * 4
  kinds = random.integers(0, 4, len(places)).tolist()
  news = [f"{words[i].strip('.,')}x" for i in random.integers(0, len(words), len(places))]
  edits = list(zip(places.tolist(), kinds, news, strict=True))
  while True:
    text_now = _edited(words, edits)
    found = similarity(text, text_now)
    if found >= target:
      return text_now, found
    edits.pop()


def _edited(words: Sequence[str], edits: Sequence[tuple[int, int, str]]) -> str:
  out = list(words)
  for at, kind, new in edits:
    out[at] = (new, new, f"{new} {words[at]}", "")[kind]
  return " ".join(w for w in out if w)
