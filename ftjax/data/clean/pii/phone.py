"""Phone numbers, by the numbering plans of the `phonenumbers` library (a port of Google's
libphonenumber).

The library's own matcher takes a number without separators for a phone number wherever its length
is right, and knows one region at a time. Here candidates are found by form first; then the plans of the
regions decide: an international form ("+49 ...") by itself, a national one when its groups are its
country's or the word "phone" and the like stands before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ftjax.data.clean.pii.near import OTHER_NUMBER, before
from ftjax.data.clean.span import Span

REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "BR", "IN", "AU")
# Seven to seventeen digits with single separators, or a bracket and a space, between them.
_CANDIDATE = re.compile(
  r"""
  (?<![\w.,/&$€£¥-]) (?<!\d:) (?:(?=\(?\+)|(?<!\d\ )|(?<=\d:\d\d\ ))    # No decimals, prices, paths; but "10:30 415-..."
  (?:\+?\(\+?(?=\d)|\+(?=\d)|(?=\d))
  \d(?:(?:[ .\-/\u00a0\u2010-\u2013]|\)[ .-]?|[ .-]?\(|\ -\ )?\d){6,16}
  (?![\w/=&$€£%-]|[.,:]\d|\s?(?:USD|EUR|GBP|€|%))
  """,
  re.X,
)
# "phone", "call us on", "Tel.:" in front, in the languages of the regions.
_NAMES = re.compile(
  r"""
  (?:
    \b(?:
      tel(?:e(?:phone|fon|fono|fone))?|phone|ph|call|cell|mobile?|mob|fax|whatsapp|signal|sms|text|ring|dial|hotline|contact
      |landline|helpline|toll[- ]free|t[ée]l(?:[ée]phone)?|portable|appelez|handy|mobil(?:e|funk)?|rufnummer|anruf|fon
      |m[óo]vil|celular|tel[ée]fono|llame|cellulare|telefoon|telefone|numer
    )\b
    |[☎📞📱✆]|电话|手机|電話|전화
  )
  (?:
    \s+(?:me|us|him|her|them|number|no|nr|is|at|on|to|or|my|the|now|today|anytime|please|free|office
      |nummer|num[ée]ro|n[úu]mero|au|auf|an|unter|al)\b
  )*
  [\s.:\#)(=/-]{0,5}\Z
  """,
  re.I | re.X,
)
_DATE = re.compile(
  r"""
  (?:
    (?:19|20)\d\d([-./ ])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])
    |(?:0?[1-9]|[12]\d|3[01])([-./ ])(?:0?[1-9]|1[0-2]|[12]\d|3[01])\2(?:19|20)?\d\d
    |(?:19|20)\d\d\s?[-–/ ]\s?(?:19|20)\d\d
  )
  (?![-./ ]?\d)
  """,
  re.X,
)
_GROUPS = re.compile(r"\d+")


def phones(text: str, start: int, end: int, regions: Sequence[str] = REGIONS) -> Iterator[Span]:
  """Phone numbers in text[start:end]; national forms of the regions (ISO 3166 codes)."""
  for m in _CANDIDATE.finditer(text, start, end):
    name = before(text, m.start())
    if not m[0].startswith(("+", "(+")) and (_DATE.match(m[0]) or OTHER_NUMBER.search(name)):
      continue
    found = _found(m[0], bool(_NAMES.search(name)), regions)
    if found:
      first, written, number = found
      first += m.start() + (written.startswith("(") and ")" not in written)
      yield Span(first, m.start() + found[0] + len(written), "phone", number, rank=2)


def _found(written: str, named: bool, regions: Sequence[str]) -> tuple[int, str, str] | None:
  """(where it begins, as written, in E.164) of the number in a candidate: all of it, or without
  another number before it ("room 12 415-555-2671") or after it ("+61 412 345 678 10")."""
  number = _number(written, named, regions)
  if number:
    return 0, written, number
  rest = written.rpartition(" ")[2]
  if rest != written and rest.count("-") + rest.count(".") > 1:
    number = _number(rest, False, regions)
    return (len(written) - len(rest), rest, number) if number else None
  while written.startswith(("+", "(+")) and " " in written:
    written = written.rpartition(" ")[0].rstrip(" -")
    number = _number(written, False, regions)
    if number:
      return 0, written, number
  return None


def _number(written: str, named: bool, regions: Sequence[str]) -> str:
  """The number in E.164, or "" where no plan has it."""
  import phonenumbers as plans

  bare = written.lstrip("(")
  if bare.startswith(("+", "00")):
    number = _parse("+" + bare.lstrip("+").removeprefix("00"), None)
    if number and plans.is_valid_number(number):
      return plans.format_number(number, plans.PhoneNumberFormat.E164)
    if bare.startswith("+"):
      return ""
  groups = _GROUPS.findall(written)
  for region in regions:
    number = _parse(written, region)
    if not number or not plans.is_valid_number(number):
      continue
    premium = plans.number_type(number) == plans.PhoneNumberType.PREMIUM_RATE
    if named or (not premium and _grouped(number, groups, written)):
      return plans.format_number(number, plans.PhoneNumberFormat.E164)
  return ""


def _parse(written: str, region: str | None):
  import phonenumbers as plans

  try:
    return plans.parse(written, region)
  except plans.NumberParseException:
    return None


def _grouped(number, groups: list[str], written: str) -> bool:
  """Whether it is written in its country's groups: three or more of them, or two with an area code
  in brackets or a leading zero."""
  import phonenumbers as plans

  if "/" in written and not written.startswith("0") or "(" in written[1:]:
    return False
  if len(groups) < 2 or (len(groups) == 2 and "(" not in written and not written.startswith("0")):
    return False
  if len(groups) == 2 and "." in written:  # A decimal number.
    return False
  national = plans.format_number(number, plans.PhoneNumberFormat.NATIONAL)
  usual = _GROUPS.findall(national)
  if groups in (usual, [usual[0].lstrip("0"), *usual[1:]], [str(number.country_code), *usual]):
    return True
  mobile = plans.number_type(number) == plans.PhoneNumberType.MOBILE
  return written.startswith(("0", "(0")) and (groups[0] == usual[0] or mobile)
