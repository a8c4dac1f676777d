"""RSS (0.9 to 2.0) and Atom feeds, of files or URLs: each entry is a document.

https://www.rssboard.org/rss-specification, RFC 4287.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO
from xml.etree.ElementTree import Element

from ftjax.config import InputError
from ftjax.data.record import Bad, Record, raise_error
from ftjax.data.sources._cache import fetch
from ftjax.data.sources._markup import iso_date, plain
from ftjax.data.sources._reading import DEFAULT, Reading, open_input
from ftjax.data.sources._xml import elements, local, markup, text
from ftjax.data.sources.wxr import first_category, markdown_of

_CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
_BODIES = ("content", "description", "summary")
_RIGHTS = ("rights", "license", "licence", "copyright")


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """path: a file, or a URL, which is fetched. One record {"text": Markdown, "title", "date",
  "author", "url", "category", "licence"} for each entry. Tells `bad` of entries without text, and
  where the feed stops being XML. Raises InputError for a URL that cannot be fetched."""
  if path.startswith(("http://", "https://")):
    yield from entries(io.BytesIO(fetch(path, how).body), path, bad, how)
    return
  with open_input(path, how) as f:
    yield from entries(f, path, bad, how)


def entries(f: IO[bytes], path: str, bad: Bad, how: Reading) -> Iterator[Record]:
  """The records of a feed's bytes."""
  number, licence, seen = 0, "", False
  for element in elements(f, path, ("item", "entry", *_RIGHTS), bad, how):
    seen = True
    if local(element) in _RIGHTS:  # The feed's own: an entry's are inside it.
      licence = licence or _rights(element)
      continue
    number += 1
    place = f"{path} item {number}"
    try:
      fields = _entry(element, place, licence)
    except InputError as e:
      error = e
    else:
      yield Record(fields, place)
      continue
    bad(error)
  if not seen:
    bad(InputError(f"{path}: no entry of RSS or Atom is in this file."))


def _entry(item: Element, place: str, licence: str) -> dict[str, str]:
  title = plain(text(item, "title"))
  markdown = markdown_of(_body(item), place)
  if not markdown:
    raise InputError(f"{place}: the entry {title[:60]!r} has no text.")
  own = next((_rights(c) for c in item if local(c) in _RIGHTS), "")
  fields = {
    "text": markdown,
    "title": title,
    "date": iso_date(text(item, "pubDate", "published", "date", "updated")),
    "author": _author(item),
    "url": _link(item),
    "category": first_category(
      [
        c.get("label") or c.get("term") or plain(c.text or "")
        for c in item
        if local(c) == "category"
      ]
    ),
    "licence": own or licence,
  }
  return {name: value for name, value in fields.items() if value}


def _body(item: Element) -> str:
  """The longest text that the entry gives: content, else its description or summary."""
  out = [markup(c).strip() for c in item if c.tag == _CONTENT]
  for c in item:
    if local(c) not in _BODIES or c.get("src") or "media" in c.tag.rpartition("}")[0]:
      continue
    found = markup(c).strip()
    if c.get("type") == "text" and not len(c):
      found = found.replace("&", "&amp;").replace("<", "&lt;")
    out.append(found)
  return max(out, key=len, default="")


def _author(item: Element) -> str:
  for c in item:
    if local(c) == "creator" or (local(c) == "author" and not len(c)):
      return plain(c.text or "")
    if local(c) == "author":
      return text(c, "name")
  return ""


def _link(item: Element) -> str:
  """The page that the entry is about: RSS's link, Atom's with rel="alternate"."""
  for c in item:
    if local(c) == "link":
      if c.get("href") and c.get("rel", "alternate") == "alternate":
        return c.get("href", "")
      if (c.text or "").strip():
        return (c.text or "").strip()
  found = next((c for c in item if local(c) == "guid" and c.get("isPermaLink") != "false"), None)
  return "" if found is None else (found.text or "").strip()


def _rights(element: Element) -> str:
  resource = next((v for k, v in element.attrib.items() if k.endswith("resource")), "")
  return plain("".join(element.itertext())) or resource
