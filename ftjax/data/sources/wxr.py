"""WordPress exports (WXR, "Tools > Export"): posts and pages, of which the published alone unless
drafts are asked for.

The format: RSS 2.0 with elements of http://wordpress.org/export/1.x/, as wp-admin/includes/export.php
writes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from ftjax.config import InputError
from ftjax.data.record import Bad, LeftOut, Record, raise_error
from ftjax.data.sources._markup import iso_date, plain, to_markdown
from ftjax.data.sources._reading import DEFAULT, Reading, open_input
from ftjax.data.sources._xml import child, elements, local, markup, text

_CONTENT = (
  "{http://purl.org/rss/1.0/modules/content/}encoded"  # excerpt:encoded has the same local name
)
_TYPES = ("post", "page")


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """One record {"text": Markdown, "title", "date", "author", "url", "category", "licence"} for each
  post and page. Tells `bad` of posts without text, where the file stops being XML, and at the end how
  many items of which kind were left out."""
  number, licence = 0, ""
  left: Counter[str] = Counter()
  with open_input(path, how) as f:
    for element in elements(f, path, ("item", "copyright", "license"), bad, how):
      if local(element) != "item":
        licence = licence or plain("".join(element.itertext()))
        continue
      number += 1
      kind, status = text(element, "post_type") or "post", text(element, "status") or "publish"
      if kind not in _TYPES:
        left[f"of type {kind}"] += 1
        continue
      if status != "publish" and not how.drafts:
        left[f"{kind}s with status {status} (drafts=True takes them)"] += 1
        continue
      place = f"{path} item {number}"
      try:
        yield Record(_post(element, place, licence), place)
      except InputError as e:
        error = e
      else:
        continue
      bad(error)
  if left:
    told = ", ".join(f"{n:,} {what}" for what, n in sorted(left.items()))
    bad(LeftOut(f"{path}: items that were left out: {told}."))


def _post(item: Element, place: str, licence: str) -> dict[str, str]:
  title = plain(text(item, "title"))
  body = next((markup(c) for c in item if c.tag == _CONTENT), "")
  if text(item, "post_password"):
    raise InputError(f"{place}: {title[:60]!r} is behind a password, so it was left out.")
  markdown = markdown_of(body, place)
  if not markdown:
    raise InputError(f"{place}: {title[:60]!r} has no text.")
  categories = [
    plain(c.text or "") for c in item if local(c) == "category" and c.get("domain") == "category"
  ]
  fields = {
    "text": markdown,
    "title": title,
    "date": iso_date(_date(item)),
    "author": text(item, "creator"),
    "url": text(item, "link"),
    "category": first_category(categories),
    "licence": _licence(item) or licence,
  }
  return {name: value for name, value in fields.items() if value}


def markdown_of(body: str, place: str) -> str:
  """A post's HTML as Markdown. Raises InputError naming the place for HTML that cannot be read."""
  try:
    return to_markdown(body)
  except Exception as e:  # RecursionError from elements thousands deep, and the parser's own.
    raise InputError(f"{place}: its HTML cannot be read ({type(e).__name__}: {e}).") from e


def first_category(categories: list[str]) -> str:
  """The first that says something: WordPress files what has none under "Uncategorized"."""
  known = [c for c in categories if c]
  return next((c for c in known if c.lower() != "uncategorized"), known[0] if known else "")


def _date(item: Element) -> str:
  given = text(item, "post_date_gmt")
  if given and not given.startswith("0000"):
    return given + "+00:00"
  return text(item, "pubDate") or text(item, "post_date")


def _licence(item: Element) -> str:
  """Of the fields that licence plugins add to a post."""
  for meta in item:
    if local(meta) == "postmeta" and text(meta, "meta_key").lower().lstrip("_") in (
      "license", "licence", "license_url", "copyright",
    ):  # fmt: skip
      return plain(text(meta, "meta_value"))
  found = child(item, "license", "rights")
  return "" if found is None else plain(found.text or "")
