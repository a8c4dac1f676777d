"""Credentials in a text: tokens by their issuer's format, private keys, passwords in URLs and
assignments."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from ftjax.config import choice
from ftjax.data.clean import secret_rules as rules
from ftjax.data.clean.span import Span, resolve, substitute
from ftjax.data.example import Drop, Example

KEEP, MASK, DROP = "keep", "mask", "drop"
# RFC 7468 (PEM) and RFC 4880 (armour): the header, then base 64 and armour headers up to the footer.
_PEM = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----")
_BASE64 = re.compile(r"(?:(?:\s|\\[rn])*[A-Za-z0-9+/=]{16,})*")
_LONGEST_PEM = 20_000
_MARKS = [(mark, rule) for rule in rules.RULES for mark in rule.marks]
_BEFORE, _AFTER = 24, 460  # Characters round a name in which all of its assignment stands.


def find(text: str) -> list[Span]:
  """All credentials, in order and apart."""
  spans: list[Span] = []
  for rule in [rule for mark, rule in _MARKS if mark in text]:
    for m in rule.pattern.finditer(text):
      group = "value" if "value" in rule.pattern.groupindex else 0
      if rule.check(m[group]):
        spans.append(Span(*m.span(group), rule.kind, rank=2))
  if "PRIVATE KEY" in text:
    spans += _private_keys(text)
  if "://" in text and "@" in text:
    for m in rules.URL.finditer(text):
      if rules.is_password(m["value"], quoted=True) or _plain(m["value"]):
        spans.append(Span(*m.span("value"), "password", rank=3))
  for start, end in _named(text):
    spans += _assigned(text, start, end)
  return resolve(spans) if spans else spans


def _plain(value: str) -> bool:
  """A password of letters alone: in a URL it is one unless it says that it stands for one."""
  return value.isalpha() and value.lower() not in ("password", "pass", "passwd", "pwd", "secret")


def _private_keys(text: str) -> Iterator[Span]:
  for m in _PEM.finditer(text):
    end = _PEM_END.search(text, m.end(), m.end() + _LONGEST_PEM) or _BASE64.match(text, m.end())
    if end.end() > m.end():
      yield Span(m.start(), end.end(), "private_key", rank=4)


def _named(text: str) -> list[tuple[int, int]]:
  """Places (start, end), apart, round the names of secrets to which something is set."""
  low = text.lower()
  if len(low) != len(text):  # A few letters grow: places would be wrong.
    low = text
  starts = []
  for name in rules.NAMES:
    at = low.find(name)
    while at >= 0:
      rest = low[at + len(name) : at + len(name) + 24]
      if "=" in rest or ":" in rest or " is " in rest or name in ("token", "bearer"):
        starts.append(at)
      at = low.find(name, at + len(name))
  places: list[tuple[int, int]] = []
  for at in sorted(starts):
    start = max(0, at - _BEFORE)
    if places and start <= places[-1][1]:
      start = places.pop()[0]
    places.append((start, min(len(text), at + _AFTER)))
  return places


def _assigned(text: str, start: int, end: int) -> Iterator[Span]:
  for m in rules.PASSWORD.finditer(text, start, end):
    name = "quoted" if m["quoted"] else "bare"
    if rules.is_password(m[name], name == "quoted"):
      value = m[name].rstrip(".") if name == "bare" else m[name]
      yield Span(m.start(name), m.start(name) + len(value), "password")
  for m in rules.KEY.finditer(text, start, end):
    name = next(n for n in ("quoted", "bare", "after") if m[n])
    if rules.is_key(m[name]):
      yield Span(*m.span(name), "secret_key", rank=1)


def mask(text: str, found: Counter[str]) -> str:
  """The text with "[GITHUB_TOKEN]" and the like in place of credentials; counted by kind."""
  spans = find(text)
  found.update(s.kind for s in spans)
  return substitute(text, spans, lambda s: f"[{s.kind.upper()}]") if spans else text


@dataclass(frozen=True)
class Secrets:
  """action: keep (and count), mask or drop."""

  action: str
  name: ClassVar[str] = "secrets"

  def __call__(self, example: Example, counts: Counter[str]) -> Example | Drop:
    found: Counter[str] = Counter()
    changed = example.map(lambda text: mask(text, found))
    title = mask(example.title, found)
    counts.update(found)
    if not found or self.action == KEEP:
      return example
    if self.action == DROP:
      kind, n = found.most_common(1)[0]
      return Drop(kind, f"{n} found")
    return changed if title == example.title else replace(changed, title=title)


def make(settings: str) -> Secrets:
  """settings: `config.secrets`."""
  return Secrets(choice(settings, (KEEP, MASK, DROP), "secrets"))
