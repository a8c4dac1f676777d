"""Personal data: found by form and checksum, then kept, masked, hashed or the row dropped."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ftjax.config import InputError, choice
from ftjax.data.clean.pii.bank import cards, ibans
from ftjax.data.clean.pii.names import persons, require
from ftjax.data.clean.pii.national import ids
from ftjax.data.clean.pii.near import windows
from ftjax.data.clean.pii.net import addresses, emails
from ftjax.data.clean.pii.phone import REGIONS, phones
from ftjax.data.clean.span import Span, resolve, substitute
from ftjax.data.example import Drop, Example

KEEP, MASK, HASH, DROP = "keep", "mask", "hash", "drop"
KINDS = ("email", "phone", "card", "iban", "ip", "national_id", "name")


def find(
  text: str,
  regions: Sequence[str] = REGIONS,
  private_ips: bool = True,
  name_language: str = "",
) -> list[Span]:
  """All personal data in a text, in order and apart: of finds that overlap, the one with the
  checksum counts, then the longer. name_language: of names, which are looked for where it is
  given."""
  found: list[Span] = []
  while spans := resolve(_look(text, regions, private_ips, name_language)):
    # What stands next to a find is looked at again without it, as if it were masked already.
    found += spans
    text = substitute(text, spans, lambda s: f"[{'_' * (s.end - s.start - 2)}]")
  return sorted(found, key=lambda s: s.start)


def _look(text: str, regions: Sequence[str], private_ips: bool, name_language: str) -> list[Span]:
  spans = [*emails(text)]
  if "." in text or ":" in text:
    spans += addresses(text, private_ips)
  for start, end in windows(text):
    spans += cards(text, start, end)
    spans += ibans(text, start, end)
    spans += ids(text, start, end)
    spans += phones(text, start, end, regions)
  if name_language:
    spans += persons(text, name_language)
  return spans


@dataclass(frozen=True)
class Pii:
  """actions: kind -> keep | mask | hash | drop. All kinds are counted, kept or not, but names only
  where something is done about them."""

  actions: tuple[tuple[str, str], ...]
  key: bytes = b""
  regions: tuple[str, ...] = REGIONS
  private_ips: bool = True
  name_language: str = "en"
  name: ClassVar[str] = "pii"

  def __call__(self, example: Example, counts: Counter[str]) -> Example | Drop:
    found: Counter[str] = Counter()
    changed = example.map(lambda text: self.change(text, found))
    title = self.change(example.title, found)
    if not found:
      return example
    counts.update(found)
    for kind, action in self.actions:
      if action == DROP and found[kind]:
        return Drop(kind, f"{found[kind]} found")
    return changed if title == example.title else replace(changed, title=title)

  def change(self, text: str, found: Counter[str]) -> str:
    """The text with placeholders for what is masked or hashed; `found` counts by kind."""
    actions = dict(self.actions)
    named = self.name_language if actions.get("name", KEEP) != KEEP else ""
    spans = find(text, self.regions, self.private_ips, named)
    if not spans:
      return text
    found.update(s.kind for s in spans)
    hidden = [s for s in spans if actions.get(s.kind, KEEP) in (MASK, HASH)]
    return substitute(text, hidden, lambda s: self._label(s, actions[s.kind]))

  def _label(self, span: Span, action: str) -> str:
    if action == MASK:
      return f"[{span.kind.upper()}]"
    digest = hmac.new(self.key, f"{span.kind}:{span.value}".encode(), hashlib.sha256).hexdigest()
    return f"[{span.kind.upper()}:{digest[:6]}]"


def make(settings: Mapping[str, Any]) -> Pii:
  """settings: `config.pii`. Raises InputError for an action that does not exist, hashing without a
  key, names without presidio-analyzer, a region without a numbering plan."""
  actions = tuple(
    (kind, choice(settings[kind], (KEEP, MASK, HASH, DROP), f"pii.{kind}")) for kind in KINDS
  )
  if dict(actions)["name"] != KEEP:
    require()
  key = _key(settings["key"]) if any(action == HASH for _, action in actions) else b""
  regions = tuple(settings["regions"].upper().replace(",", " ").split()) or REGIONS
  _check(regions)
  return Pii(actions, key, regions, bool(settings["private_ips"]), settings["name_language"])


def _key(value: str) -> bytes:
  given = os.environ.get(value.removeprefix("env:"), "") if value.startswith("env:") else value
  if not given:
    what = f"the environment variable {value[4:]!r} is not set" if value else "pii.key is empty"
    raise InputError(
      f"Hashing personal data needs a key, but {what}. Set pii.key=env:NAME and the variable NAME to a long random text that "
      "you keep: who has it can test whether a given address is in the data."
    )
  return given.encode()


def _check(regions: Sequence[str]) -> None:
  if regions == REGIONS:
    return
  from phonenumbers import SUPPORTED_REGIONS

  for region in regions:
    if region not in SUPPORTED_REGIONS:
      raise InputError(
        f"pii.regions: {region!r} has no numbering plan. Use two-letter country codes between commas, as in 'US,GB,DE'."
      )
