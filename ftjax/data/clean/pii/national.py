"""National identity, tax and insurance numbers: by form, checksum (python-stdnum) and, where these
alone let too many other numbers through, a name of the number before it."""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ftjax.data.clean.pii.near import OTHER_NUMBER, before
from ftjax.data.clean.span import Span


@dataclass(frozen=True)
class Kind:
  """form: its written forms. check: the module of stdnum that validates it, "" = the form says all.
  names: words one of which must stand before it; "" = the form and checksum are rare enough by
  themselves."""

  what: str
  form: re.Pattern
  check: str = ""
  names: re.Pattern | None = None


def _kind(what: str, form: str, check: str = "", names: str = "") -> Kind:
  named = re.compile(rf"(?<![^\W_])(?:{names})", re.I) if names else None
  return Kind(what, re.compile(rf"(?<![\w.+/-])(?:{form})(?![\w/-]|[.,]\d)"), check, named)


_TAX = "tax|tin|steuer|idnr|fiscal"
KINDS = (
  # US Social Security Administration, POMS RM 10201.035: no area 000, 666 or 9xx, no zero group.
  _kind("us", r"(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}"),
  _kind("us", r"(?!000|666|9)\d{3} ?(?!00)\d\d ?(?!0000)\d{4}", "", "ssn|social security|soc\\. ?sec"),
  # HM Revenue & Customs, manual NIM39110: the letters that are not used, suffix A to D.
  _kind("uk_nino", r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?: ?\d\d){3} ?[A-D]"),
  _kind("uk_nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", "gb.nhs", "nhs"),
  _kind("de", r"\d\d \d{3} \d{3} \d{3}", "de.idnr"),
  _kind("de", r"\d{11}|\d\d/\d{3}/\d{3}/\d{3}", "de.idnr", _TAX),
  _kind("fr", r"[1-478] ?\d\d ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d\d|2[AB]) ?\d{3} ?\d{3} ?\d\d", "fr.nir"),
  _kind("es", r"\d{2}\.?\d{3}\.?\d{3}[ -]?[A-HJ-NP-TV-Z]|[XYZ][ -]?\d{7}[ -]?[A-HJ-NP-TV-Z]", "es.nie|es.dni"),
  _kind("it", r"[A-Z]{6} ?\d\d[A-EHLMPRST]\d\d ?[A-Z]\d{3}[A-Z]|[A-Z]{3} [A-Z]{3} \d\d[A-EHLMPRST]\d\d [A-Z]\d{3}[A-Z]", "it.codicefiscale"),
  _kind("nl", r"\d{9}|\d{4}[. ]\d{2}[. ]\d{3}|\d{3}[. ]\d{3}[. ]\d{3}", "nl.bsn", "bsn|burgerservice|sofi|service number"),
  _kind("pl", r"\d{11}", "pl.pesel", "pesel"),
  _kind("br", r"\d{3}\.\d{3}\.\d{3}-\d\d", "br.cpf"),
  _kind("br", r"\d{11}", "br.cpf", "cpf"),
  _kind("in", r"[2-9]\d{3}([ -]?)\d{4}\1\d{4}", "in_.aadhaar", "a?adhaa?r|uidai|uid"),
  _kind("in_pan", r"[A-Z]{3}[ABCFGHLJPT][A-Z]\d{4}[A-Z]", "in_.pan", "pan|permanent account"),
  _kind("se", r"(?:19|20)?\d{6}[-+]\d{4}", "se.personnummer"),
  _kind("se", r"(?:19|20)?\d{10}", "se.personnummer", "personn"),
  _kind("fi", r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]", "fi.hetu"),
  _kind("no", r"\d{6} ?\d{5}", "no.fodselsnummer", "f(?:ø|oe?)dsels|personn|national id"),
  _kind("dk", r"\d{6}-?\d{4}", "dk.cpr", "cpr|personn"),
  _kind("cn", r"[1-9]\d{5}(?:18|19|20)\d{9}[0-9Xx]", "cn.ric"),
  _kind("kr", r"\d{6}-[1-8]\d{6}", "kr.rrn"),
  _kind("be", r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d", "be.nn"),
  _kind("ch", r"756\.?\d{4}\.?\d{4}\.?\d\d", "ch.ssn"),
  _kind("cz", r"\d{6}/\d{4}", "cz.rc"),
  _kind("ro", r"[1-8]\d{12}", "ro.cnp", "cnp|cod(?:ul)? numeric"),
  _kind("mx", r"[A-Z]{4}\d{6}[HM][A-Z]{5}[0-9A-Z]\d", "mx.curp"),
  _kind("za", r"\d{6} ?\d{4} ?\d{3}", "za.idnr", "id|identity"),
  _kind("ca", r"\d{3}([ -]?)\d{3}\1\d{3}", "ca.sin", "sin|nas|social insurance"),
  _kind("au", r"\d{3} ?\d{3} ?\d{3}", "au.tfn", "tfn|tax file"),
  _kind("tr", r"[1-9]\d{10}", "tr.tckimlik", "t\\.?c\\.?|kimlik"),
  _kind("ie", r"\d{7}[A-W][A-IW]?", "ie.pps", "pps"),
  _kind("pt", r"\d{3} ?\d{3} ?\d{3}", "pt.nif", "nif|contribuinte"),
)  # fmt: skip


@functools.cache
def _validator(name: str):
  return importlib.import_module(f"stdnum.{name}").is_valid


def ids(text: str, start: int, end: int) -> Iterator[Span]:
  """National ids in text[start:end]."""
  for kind in KINDS:
    for m in kind.form.finditer(text, start, end):
      name = before(text, m.start())
      if kind.names and not kind.names.search(name):
        continue
      if not kind.names and OTHER_NUMBER.search(name):
        continue
      if kind.check and not any(_validator(c)(m[0]) for c in kind.check.split("|")):
        continue
      value = "".join(filter(str.isalnum, m[0])).upper()
      yield Span(*m.span(), "national_id", value, rank=5 if kind.names else 3)
