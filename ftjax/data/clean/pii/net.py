"""E-mail addresses and IP addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from ftjax.data.clean.pii.near import before
from ftjax.data.clean.span import Span

# RFC 5321 bounds the local part to 64 characters and a label to 63; \w lets RFC 6531's letters in.
_EMAIL = re.compile(
  r"(?<![\w.+-])[\w](?:[\w.!#$%&'*+/=?^`{|}~-]{0,62}[\w+-])?@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,6}[^\W\d_]{2,24}(?![\w-]|\.\w)"
)
# As people write them against harvesters: "jane [at] example [dot] org".
_SPELLED = re.compile(
  r"(?<![\w.+-])\w[\w.+-]{0,63}\s?[\[({]\s?at\s?[\])}]\s?[\w-]{1,63}"
  r"(?:(?:\s?[\[({]\s?dot\s?[\])}]\s?|\.)[\w-]{1,63}){1,4}(?![\w@])",
  re.I,
)
_AT = re.compile(r"[\[({]\s?at\s?[\])}]", re.I)
_FILES = {"png", "jpg", "jpeg", "gif", "svg", "webp", "js", "css", "py", "ts"}  # logo@2x.png


def emails(text: str) -> Iterator[Span]:
  if "@" in text:
    for m in _EMAIL.finditer(text):
      last = m[0].rsplit(".", 1)[-1].lower()
      remote = m[0].startswith("git@") and text[m.end() : m.end() + 1] == ":"
      remote = remote or text.startswith("://", m.start() - 3)  # A user's name in a URL.
      if last not in _FILES and not remote:
        yield Span(*m.span(), "email", m[0].lower(), rank=2)
  if _AT.search(text):
    for m in _SPELLED.finditer(text):
      value = re.sub(r"[\[({]\s?dot\s?[\])}]", ".", _AT.sub("@", m[0]), flags=re.I)
      yield Span(*m.span(), "email", re.sub(r"\s", "", value).lower(), rank=2)


_BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"(?<![\w.-])(?:{_BYTE}\.){{3}}{_BYTE}(?![\w-]|\.\w)")
_IPV6 = re.compile(
  r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|(?:\d{1,3}\.){3}\d{1,3})?(?![\w:]|\.\w)"
)
_FOUR = re.compile(r"\d\.\d{1,3}\.\d{1,3}\.\d")
_VERSION = re.compile(
  r"(?:\bv(?:er(?:s(?:ion)?)?)?|\b(?:release|build|firmware|driver|update|upgrade|patch|chapter|section|sections|clause|article|"
  r"rule|figure|table|part|revision|rev|oid|edition|chrome|firefox|safari|php|python|java|ios|android|windows|kernel|jdk|jre)|§)"
  r"(?:\s+(?:to|is|no\.?|number))?[\s.:=/(\"']{0,3}\Z",
  re.I,
)


def addresses(text: str, private: bool = True) -> Iterator[Span]:
  """IPv4 and IPv6. private: also those of private, link-local and documentation networks
  (RFC 1918, 4193, 5737, 3849). Never the loopback, the unspecified address, netmasks and multicast:
  they name nobody."""
  found = [*_IPV4.finditer(text)] if _FOUR.search(text) else []
  if text.count(":") > 1:
    found += [m for m in _IPV6.finditer(text) if sum(map(bool, m[0].split(":"))) >= 3]
  for m in found:
    try:
      ip = ipaddress.ip_address(m[0])
    except ValueError:
      continue
    nobody = (
      ip.is_loopback or ip.is_unspecified or ip.is_multicast or m[0].startswith(("255.", "0."))
    )
    if nobody or (ip.is_private and not private) or _VERSION.search(before(text, m.start())):
      continue
    yield Span(*m.span(), "ip", ip.compressed, rank=2)
