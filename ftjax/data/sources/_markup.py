"""HTML as text: its encoding, fragments as Markdown, and dates in one form."""

from __future__ import annotations

import codecs
import email.utils
import html
import re
from datetime import datetime

_META = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w.:-]+)", re.I)
_XML = re.compile(rb"<\?xml[^>]+encoding\s*=\s*[\"']([\w.:-]+)", re.I)
_BLOCKS = (
  "p|div|h[1-6]|ul|ol|li|table|blockquote|pre|figure|section|article|hr|dl|form|iframe|script|style"
)
_BLOCK = re.compile(rf"<(?:{_BLOCKS})\b", re.I)
_ATTRIBUTES = 10_000
TAG = re.compile(r"""</?[a-zA-Z](?:[^<>"']++|"[^"]*+"|'[^']*+')*+""")
_ATTRIBUTE = re.compile(r"[\s/\"][^\s/\"=]")
_RUN = re.compile(r"\s{100,}")
_SHORTCODE = re.compile(
  r"\[(/?)(caption|gallery|embed|audio|video|playlist|contact-form(?:-7)?|vc_\w+|et_pb_\w+)\b[^\[\]]*\]"
)


def decode_html(raw: bytes, header: str = "") -> str:
  """The text of an HTML page, by its byte order mark, the server's Content-Type, its own meta
  element within the first 1024 bytes (HTML Standard, "determining the character encoding"), or
  else as UTF-8, or as windows-1252, which every byte is valid in but a few."""
  for mark, name in (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
  ):
    if raw.startswith(mark):
      return raw[len(mark) :].decode(name, "replace")
  told = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", header, re.I)
  found = _META.search(raw[:1024]) or _XML.match(raw[:1024])
  for name in (told and told[1], found and found[1].decode("ascii"), "utf-8"):
    if not name:
      continue
    name = name.lower()
    if name in ("iso-8859-1", "latin1", "latin-1", "ascii", "us-ascii"):
      name = "windows-1252"  # as every browser reads it (Encoding Standard)
    elif name.startswith("utf-16"):
      name = "utf-8"  # a meta element that can be read as ASCII is not UTF-16
    try:
      return raw.decode(name)
    except (LookupError, UnicodeDecodeError):
      continue
  return raw.decode("windows-1252", "replace")


def check_tags(page: str) -> None:
  """Raises ValueError for an element of more than 10,000 attributes, which parsers take hours over."""
  for found in TAG.finditer(page):
    if len(found[0]) < 2 * _ATTRIBUTES:
      continue
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", '""', found[0])
    if len(_ATTRIBUTE.findall(bare)) > _ATTRIBUTES:
      raise ValueError(f"an element has more than {_ATTRIBUTES:,} attributes")


def to_markdown(fragment: str) -> str:
  """A body of HTML, all of which is content, as Markdown: headings, lists, quotes and emphasis are
  kept, images go, links become their text.

  A body as WordPress stores it may have no paragraph elements: blank lines stand for them (its
  wpautop), and [shortcodes] for what a plugin would put there, which are removed.
  """
  import markdownify

  check_tags(fragment)
  fragment = _SHORTCODE.sub("", fragment.strip())
  # Runs without end take markdownify's patterns quadratic time.
  fragment = _RUN.sub(lambda found: "\n\n" if "\n" in found[0] else " ", fragment)
  fragment = re.sub(
    r"<(script|style|iframe|noscript)\b.*?(</\1\s*>|\Z)", "", fragment, flags=re.I | re.S
  )
  if not re.search(r"<p\b", fragment, re.I) and re.search(r"\S\s*\n[ \t]*\n\s*\S", fragment):
    fragment = _paragraphs(fragment)
  text = markdownify.markdownify(
    fragment, heading_style="ATX", bullets="-", strip=["a", "img"], escape_asterisks=False,
    escape_underscores=False, escape_misc=False,
  )  # fmt: skip
  text = "\n".join(line.rstrip(" \t\u00a0") for line in text.split("\n"))
  return re.sub(r"\n{3,}", "\n\n", text).strip()


def _paragraphs(fragment: str) -> str:
  out = []
  for block in re.split(r"\n[ \t]*\n", fragment.replace("\r\n", "\n")):
    block = block.strip()
    if block and not _BLOCK.match(block) and not block.startswith(("<!--", "</")):
      block = "<p>" + block.replace("\n", "<br>\n") + "</p>"
    out.append(block)
  return "\n\n".join(out)


def plain(fragment: str) -> str:
  """A title or name: without tags and entities, in one line."""
  return " ".join(html.unescape(re.sub(r"<[^<>]+>", "", fragment)).split())


def iso_date(value: object) -> str:
  """ISO 8601, from that itself, from the dates of mail and RSS (RFC 5322), of PDF, or from
  "2024-05-01 10:00:00"; "" for what is none of them."""
  text = str(value or "").strip()
  if not text:
    return ""
  if found := re.fullmatch(r"D:(\d{4})(\d\d)?(\d\d)?.*", text):
    return "-".join(part for part in found.groups() if part)
  if re.fullmatch(r"\d{4}(-\d\d)?", text):
    return text
  try:
    when = datetime.fromisoformat(text)
  except ValueError:
    try:
      when = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
      return ""
  if when.year < 1000:  # "0000-00-00" and its like
    return ""
  bare = re.fullmatch(r"\d{4}-?\d\d-?\d\d", text)
  return when.date().isoformat() if bare else when.isoformat()
