"""Payment cards and bank accounts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ftjax.data.clean.pii.near import OTHER_NUMBER, before
from ftjax.data.clean.span import Span

# ISO/IEC 7812: 12 to 19 digits, bare or in groups with the same mark between them throughout.
_CARD = re.compile(
  r"(?<![\w.+-])(?<!\d{4} )\d"
  r"(?:\d{11,18}|\d{3}(?P<mark>[ -])\d{4,6}(?P=mark)\d{4,5}(?:(?P=mark)\d{3,4}(?:(?P=mark)\d{1,3})?)?)"
  r"(?![\w-]|[.,]\d)"
)
# Issuer ranges and lengths, as published by the networks: (first, last, lengths) of the leading digits.
_ISSUERS = (
  ("4", "4", (16, 19)), ("51", "55", (16,)), ("2221", "2720", (16,)), ("34", "34", (15,)), ("37", "37", (15,)),
  ("6011", "6011", (16, 19)), ("644", "649", (16, 19)), ("65", "65", (16, 19)), ("3528", "3589", (16, 19)),
  ("300", "305", (14, 16)), ("36", "36", (14, 16)), ("38", "39", (14, 16)), ("62", "62", (16, 17, 18, 19)),
  ("2200", "2204", (16, 17, 18, 19)), ("60", "60", (16,)), ("5018", "5018", (16,)), ("5020", "5020", (16,)),
  ("5038", "5038", (16,)), ("6304", "6304", (16,)), ("6759", "6763", (16,)),
)  # fmt: skip


def luhn(digits: str) -> bool:
  """ISO/IEC 7812-1, annex B."""
  doubled = [int(d) * 2 for d in digits[-2::-2]]
  return (sum(map(int, digits[-1::-2])) + sum(d - 9 * (d > 9) for d in doubled)) % 10 == 0


def is_card(digits: str) -> bool:
  """Whether the digits are of a known issuer's range and length, and their check digit holds."""
  known = any(
    first <= digits[: len(first)] <= last and len(digits) in lengths
    for first, last, lengths in _ISSUERS
  )
  return known and len(set(digits)) > 1 and luhn(digits)


def cards(text: str, start: int, end: int) -> Iterator[Span]:
  """Cards in text[start:end]."""
  for m in _CARD.finditer(text, start, end):
    digits = m[0].replace(" ", "").replace("-", "")
    if is_card(digits) and not OTHER_NUMBER.search(before(text, m.start())):
      yield Span(*m.span(), "card", digits, rank=4)


# SWIFT's IBAN registry, release 98: the whole length by country.
_LENGTHS = {
  "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29, "BY": 28,
  "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
  "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28,
  "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
  "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28,
  "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24,
  "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26,
  "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip
_IBAN = re.compile(
  r"(?<![^\W_])[A-Z]{2}\d{2}(?=[ \u00a0-]?[A-Z0-9]{2,4}(?:[ \u00a0-]?[A-Z0-9]{1,4}){2})", re.I
)
_GAPS = " \u00a0-"


def iban_check(iban: str) -> bool:
  """ISO 13616 and ISO 7064, mod 97-10: the country's length, and 1 as the remainder."""
  if _LENGTHS.get(iban[:2]) != len(iban) or not iban.isascii() or not iban.isalnum():
    return False
  return int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1


def ibans(text: str, start: int, end: int) -> Iterator[Span]:
  """IBANs in text[start:end], bare or in groups."""
  for m in _IBAN.finditer(text, start, end):
    length, at, value = _LENGTHS.get(m[0][:2].upper(), 0), m.start(), ""
    while len(value) < length and at < len(text):
      c, at = text[at], at + 1
      if c.isascii() and c.isalnum():
        value += c.upper()
      elif c not in _GAPS or text[at - 2] in _GAPS:
        break
    if iban_check(value) and not text[at : at + 1].isalnum():
      yield Span(m.start(), at, "iban", value, rank=5)
