"""Where the rows come from and what they look like: counts by source, category, template and
length, and the caps that keep one of them from taking over."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ftjax.data.example import Example

_CAPACITY = 4096  # different values of one kind that are counted at once
_SHOWN = 20
_NONE = "(none)"
_LENGTHS = [0, 10, 50, 200, 500, 1000, 2000, 5000]  # words of the response, lower bounds
_OPENING = 6  # words of a template
_QUOTED = re.compile(
  r"\"[^\"]*\"|\u201c[^\u201d]*\u201d|\u00ab[^\u00bb]*\u00bb|\[[^\]]*\]|\{[^}]*\}"
)
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_NAME = re.compile(r"(?<=[\w,;:\"'\u2019)\u2026] )[A-Z][\w'\u2019-]*(?: [A-Z][\w'\u2019-]*)*")


def template(example: Example) -> str:
  """The first words of the prompt, or of a document, with what is quoted or bracketed, numbers and
  names (words with a capital inside a sentence) replaced: rows that a program filled in have one
  template."""
  text = (example.prompt or example.text)[:400]
  text = _QUOTED.sub("\u201c\u2026\u201d", text)
  text = _NAME.sub("\u2026", _NUMBER.sub("#", " ".join(text.split())))
  return " ".join(text.split()[:_OPENING])


class _Frequent:
  """Counts of the frequent ones among any number of values, in bounded memory (Misra and Gries
  1982; merged as in Agarwal et al., Mergeable Summaries, 2012): exact for up to _CAPACITY values,
  and else too low by at most total / _CAPACITY. Of each value: rows and words."""

  def __init__(self):
    self.rows: Counter[str] = Counter()
    self.words: Counter[str] = Counter()

  def add(self, value: str, rows: int, words: int) -> None:
    self.rows[value] += rows
    self.words[value] += words
    if len(self.rows) > 2 * _CAPACITY:
      self._shrink()

  def _shrink(self) -> None:
    least = sorted(self.rows.values(), reverse=True)[_CAPACITY]
    self.rows = Counter({v: n - least for v, n in self.rows.items() if n > least})
    self.words = Counter({v: self.words[v] for v in self.rows})

  def merge(self, other: _Frequent) -> None:
    for value, rows in other.rows.items():
      self.add(value, rows, other.words[value])


def _kinds() -> dict[str, _Frequent]:
  return {kind: _Frequent() for kind in ("source", "category", "template", "length")}


@dataclass
class Balance:
  """Counts that can be added: one per process, merged at the end."""

  rows: int = 0
  words: int = 0
  kinds: dict[str, _Frequent] = field(default_factory=_kinds)

  def update(self, example: Example) -> None:
    """Counts one row."""
    size = len(example.response.split())
    low = max(x for x in _LENGTHS if x <= size)
    values = (example.origin.source, example.category, template(example), str(low))
    self.rows += 1
    self.words += size
    for counts, value in zip(self.kinds.values(), values, strict=True):
      counts.add(value, 1, size)

  def merge(self, other: Balance) -> None:
    """Adds the counts of other rows."""
    self.rows += other.rows
    self.words += other.words
    for kind, counts in self.kinds.items():
      counts.merge(other.kinds[kind])

  def result(self) -> dict:
    """{"source" | "category" | "template" | "length": {name: {"rows", "words", "share"}}}: shares
    of all rows, largest first; the 20 most frequent templates that come more than once; lengths in
    words, shortest first. A category that no row has is left out."""
    out = {}
    for kind, counts in self.kinds.items():
      found = sorted(counts.rows.items(), key=lambda item: (-item[1], item[0]))
      if kind == "template":
        found = [(name, n) for name, n in found if n > 1][:_SHOWN]
      if kind == "length":
        found = [(_length(int(low)), n, counts.words[low]) for low, n in sorted(found, key=_first)]
      else:
        found = [(name, n, counts.words[name]) for name, n in found]
      if kind == "category" and not any(name for name, _, _ in found):
        found = []
      out[kind] = {
        name or _NONE: {"rows": n, "words": words, "share": n / self.rows}
        for name, n, words in found
      }
    return out

  def warnings(self, max_share: float) -> list[str]:
    """A line for the source, category or template that more than max_share of the rows share. A
    source or category that is the only one is no news, nor are rows without a category."""
    remedy = {
      "source": "Give it a cap (sources: cap), or add rows of others.",
      "category": "Add rows of other categories, or cap the sources that it comes from.",
      "template": "Vary the prompts, or the model learns this one form.",
    }
    lines = []
    for kind, what in remedy.items():
      counts = self.result()[kind]
      if len(counts) == 1 and kind != "template":
        continue
      for name, found in counts.items():
        if found["share"] > max_share and name != _NONE:
          lines.append(
            f"{found['share']:.0%} of the rows have the {kind} {name!r} (balance.max_share is "
            f"{max_share:.0%}). {what}"
          )
    return lines


def thin(ids: Sequence[str], cap: int) -> np.ndarray:
  """bool[len(ids)]: the at most `cap` rows to keep, those whose hash is lowest; 0 keeps all. So the
  choice depends on no order, and as a source grows, a row that was left out stays so."""
  if not cap or len(ids) <= cap:
    return np.ones(len(ids), bool)
  digest = lambda x: hashlib.blake2b(x.encode(), digest_size=8, person=b"ftjax cap").digest()
  keys = np.frombuffer(b"".join(map(digest, ids)), ">u8")
  keep = np.zeros(len(ids), bool)
  keep[np.lexsort((np.asarray(ids), keys))[:cap]] = True
  return keep


def _first(item) -> int:
  return int(item[0])


def _length(low: int) -> str:
  following = [x for x in _LENGTHS if x > low]
  return f"{low}-{following[0] - 1} words" if following else f"{low} words and more"
