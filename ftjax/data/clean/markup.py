"""HTML and wiki leftovers in text that is no HTML page: tags, comments, scripts, entities."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ftjax.data.clean.code import outside
from ftjax.data.example import Example

# Elements of the HTML Living Standard (and `font`, `center`, `tt`, `strike` of HTML 4) whose tags
# are presentation. Names that people give to parts of a prompt ("<summary>", "<title>", "<input>")
# and that mean something else in code ("<s>", "<map>", "<object>") are not among them.
_PLAIN = {
  "abbr", "acronym", "address", "bdi", "bdo", "big", "blockquote", "br", "center", "cite", "col", "colgroup", "dd", "del",
  "dfn", "div", "dl", "dt", "em", "figcaption", "figure", "font", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "iframe", "img",
  "ins", "kbd", "li", "noscript", "ol", "p", "picture", "rp", "rt", "ruby", "samp", "small", "span", "strike", "strong", "sub",
  "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "ul", "wbr",
}  # fmt: skip
# Removed where they carry attributes (and then their closing tags), for without they may be a
# prompt's own marks.
_ATTRIBUTED = {
  "a", "article", "aside", "audio", "button", "embed", "footer", "form", "header", "label", "main", "mark", "nav", "section",
  "source", "time", "video",
}  # fmt: skip
_PAIRED = {"b", "i", "u", "q"}  # Removed as pairs only: a lone <i> is more likely a type parameter.
_BREAKS = {
  "address": "\n", "blockquote": "\n\n", "br": "\n", "dd": "\n", "div": "\n", "dl": "\n", "dt": "\n", "figcaption": "\n",
  "figure": "\n", "hr": "\n\n", "ol": "\n", "p": "\n\n", "table": "\n\n", "tr": "\n", "ul": "\n", "td": " ", "th": " ",
}  # fmt: skip
_HEADINGS = {f"h{n}": f"\n\n{'#' * n} " for n in range(1, 7)}

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,9})((?:\s[^<>]{0,2000})?)/?>")
_ATTRIBUTES = re.compile(r"\s+[^\s=]+\s*=|\s*/?\s*\Z|\s+(?:hidden|disabled|controls|async)\b")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,31}[0-9]{0,2});")
_ESCAPED = re.compile(r"&lt;(/?[A-Za-z][^&<>\n`]{0,80})&gt;")
_ESCAPED_PAGE = re.compile(
  r"&lt;(?:p|div|br|span|li|td)\b[^&]{0,200}(?:&quot;[^&]{0,200}){0,9}&gt;"
)
_SUP = re.compile(r"(?<=[\w)])<sup>(-?\d{1,4}|n)</sup>")
_WIKI = re.compile(r"\[\[(?![\s:])([^\[\]|\n]{1,80})\|([^\[\]|\n]{1,80})\]\]")
_BB = re.compile(r"\[(/?)(b|i|u|s|url|img|quote|size|color|font|center)(=[^\]\n]{1,200})?\]", re.I)
_CLOSING_BB = re.compile(r"\[/(?:b|i|u|s|url|img|quote|size|color|font|center)\]", re.I)
# Who writes of these wants the tags that follow.
_ABOUT = re.compile(
  r"\b(?:x?html5?|xml|css|svg|jsx|php|vue|react|angular|bootstrap|javascript|markup|tags?|snippet|"
  r"source code|web ?pages?|websites?|code|bbcode|wiki)\b|<!doctype",
  re.I,
)


def strip(text: str) -> str:
  """The text without leftovers of HTML, wiki links and BBCode, outside code between backticks.

  Paragraphs, line breaks, list items and headings become Markdown's, `<pre>` a fenced block,
  `<code>` a span between backticks; "a < b", generics and special tokens such as "<s>" stay.
  """
  for _ in range(4):  # An entity may hide a tag, and a tag an entity.
    before, text = text, _once(text)
    if text == before:
      break
  return text


def _once(text: str) -> str:
  if "<" in text:
    text = outside(text, _fence_pre)
    text = outside(text, _tags)
  if "&" in text:
    text = outside(text, _entities)
  if "[[" in text:
    text = outside(text, lambda t: _WIKI.sub(r"\2", t))
  if "[/" in text and _CLOSING_BB.search(text):
    text = outside(text, _bbcode)
  return text


def _fence_pre(text: str) -> str:
  text = _elements(text, "pre", lambda inner: f"\n```\n{_bare(inner).strip(chr(10))}\n```\n")
  return _elements(text, "code", lambda inner: f"`{_bare(inner)}`" if "\n" not in inner else inner)


def _bare(text: str) -> str:
  return html.unescape(_TAG.sub("", text)).replace("`", "'")


def _elements(text: str, name: str, change) -> str:
  """With change(content) in place of each <name ...>content</name>. Linear in the text's length:
  one opening tag without its end stops the search."""
  if f"<{name}" not in (low := text.lower()) or len(low) != len(text):
    return text
  opening = re.compile(rf"<{name}(?:\s[^<>]{{0,2000}})?>")
  parts, at = [], 0
  while found := opening.search(low, at):
    end = low.find(f"</{name}", found.end())
    close = low.find(">", end) if end >= 0 else -1
    if close < 0:
      break
    parts += [text[at : found.start()], change(text[found.end() : end])]
    at = close + 1
  return "".join([*parts, text[at:]])


def _tags(text: str) -> str:
  for name in ("script", "style"):
    text = _elements(text, name, lambda _: "\n")
  if "<!--" in text:
    text = _comments(text)
  if "<sup>" in text:
    text = _SUP.sub(r"^\1", text)
  names = {(m[2].lower(), m[1]) for m in _TAG.finditer(text)}
  attributed = {
    m[2].lower() for m in _TAG.finditer(text) if "=" in m[3] and m[2].lower() in _ATTRIBUTED
  }
  paired = {n for n in _PAIRED if {(n, ""), (n, "/")} <= names}

  def put(m: re.Match) -> str:
    name = m[2].lower()
    known = name in _PLAIN or name in attributed or name in paired
    if not known or not _ATTRIBUTES.match(m[3]):
      return m[0]
    if not m[1] and name == "li":
      return "\n- "
    if name in _HEADINGS:
      return "\n\n" if m[1] else _HEADINGS[name]
    return _BREAKS.get(name, "")

  return _TAG.sub(put, text)


def _comments(text: str) -> str:
  parts, at = [], 0
  while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
    parts.append(text[at:start])
    at = end + 3
  return "".join([*parts, text[at:]])


def _entities(text: str) -> str:
  """Escaped tags in prose ("&lt;b&gt;") are somebody's examples: they become code, lest the next
  look take them for tags; unless the whole text is an escaped page."""
  if "&lt;" in text and not _ESCAPED_PAGE.search(text):
    text = _ESCAPED.sub(lambda m: f"`<{html.unescape(m[1])}>`", text)
  return outside(text, lambda t: _ENTITY.sub(lambda m: html.unescape(m[0]), t))


def _bbcode(text: str) -> str:
  closed = {m[2].lower() for m in _BB.finditer(text) if m[1]}
  opened = {m[2].lower() for m in _BB.finditer(text) if not m[1]}
  return _BB.sub(lambda m: "" if m[2].lower() in closed & opened else m[0], text)


@dataclass(frozen=True)
class Markup:
  """Documents are always cleaned; a conversation only where it does not speak of markup or code,
  whose tags are its subject ("rows_about_markup": how many were left as they are)."""

  name: ClassVar[str] = "markup"

  def __call__(self, example: Example, counts: Counter[str]) -> Example:
    changed = example.map(strip)
    if changed is not example and example.messages:
      texts = [m["content"] for m in (*example.messages, *example.rejected)]
      if any(_ABOUT.search(text) for text in texts):
        counts["rows_about_markup"] += 1
        return example
    return changed


def make(settings: Mapping[str, Any]) -> Markup | None:
  """settings: `config.clean`."""
  return Markup() if settings["markup"] else None
