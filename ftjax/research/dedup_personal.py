"""Personal data for made-up documents, every value drawn at random and valid by its own checksum,
and numbers that only look like it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

import numpy as np

KINDS = ("email", "phone", "card", "iban", "ip", "national_id")
LOOK_ALIKE = "look-alike"
_SHARE = 0.01  # of the rows: each kind, and the look-alikes
_SENTENCES = {
  "email": "Write to {} with questions.",
  "phone": "Call {} before noon.",
  "card": "The card number is {} today.",
  "iban": "Please pay to {} by Friday.",
  "ip": "The server answers at {} again.",
  "national_id": "The identity number is {} there.",
  LOOK_ALIKE: "The parts list says {} here.",
}


@dataclass(frozen=True)
class Planted:
  """kind: one of KINDS, or LOOK_ALIKE: nothing of anybody's, to be left as it is."""

  row: int
  kind: str
  value: str


def plant(texts: list[str], rows: list[int], random: np.random.Generator) -> list[Planted]:
  """Adds a sentence to some of `rows` of `texts`, at most one to each."""
  number = int(len(texts) * _SHARE)
  places = iter(random.permutation(rows).tolist())
  planted = []
  for kind, sentence in _SENTENCES.items():
    for i, row in zip(range(number), places, strict=False):
      value = _value(kind, i, random)
      texts[row] += " " + sentence.format(value)
      planted.append(Planted(row, kind, value))
  return planted


def _digits(random: np.random.Generator, number: int) -> str:
  return "".join(map(str, random.integers(0, 10, number).tolist()))


def _value(kind: str, i: int, random: np.random.Generator) -> str:
  d = lambda number: _digits(random, number)
  if kind == "email":
    letters = "".join(map(chr, random.integers(97, 123, 12).tolist()))
    return f"{letters[:4]}.{letters[4:8]}{d(2)}@{letters[8:]}.org"
  if kind == "phone":  # Numbers that Ofcom and the NANPA set aside for fiction.
    return (f"+44 20 7946 0{d(3)}", f"(212) 555-01{d(2)}", f"+1 415-555-01{d(2)}")[i % 3]
  if kind == "card":
    body = "4" + d(14)
    whole = body + str(_luhn(body))
    return whole if i % 2 else " ".join(whole[j : j + 4] for j in range(0, 16, 4))
  if kind == "iban":
    body = d(18)
    check = 98 - int(body + "131400") % 97  # "DE00" as digits
    return f"DE{check:02}{body}"
  if kind == "ip":
    return _address(random)
  if kind == "national_id":
    number = int(d(8))
    return f"{number:08}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"  # the Spanish DNI
  body = "4" + d(14)
  wrong = str((_luhn(body) + 1 + random.integers(9)) % 10)
  return (body + wrong, f"version {d(1)}.{d(2)}.{d(1)}", f"{d(2)}-{d(3)}/{d(2)}")[i % 3]


def _address(random: np.random.Generator) -> str:
  """An address that somebody can have: not private, reserved or multicast."""
  while True:
    address = ipaddress.IPv4Address(random.integers(1, 255, 4, np.uint8).tobytes())
    if address.is_global and not address.is_multicast:
      return str(address)


def _luhn(body: str) -> int:
  """The check digit (ISO/IEC 7812-1, annex B)."""
  total = 0
  for i, c in enumerate(reversed(body)):
    doubled = int(c) * (2 if i % 2 == 0 else 1)
    total += doubled - 9 if doubled > 9 else doubled
  return -total % 10
