"""HTML pages: the article without the page around it, found by trafilatura, as Markdown."""

from __future__ import annotations

import contextlib
import copy
import logging
import re
from collections.abc import Iterator

from ftjax.config import InputError
from ftjax.data.record import Bad, Record, raise_error
from ftjax.data.sources._markup import check_tags, decode_html, iso_date, plain
from ftjax.data.sources._pages import cut_off, mend_tables
from ftjax.data.sources._reading import DEFAULT, Reading, read_document


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """One record {"text", "title", "date", "author", "url", "category", "licence"}, of which the page
  need not have all. Tells `bad` of a page without text."""
  raw = read_document(path, bad, how)
  if raw is not None:
    yield from pages(raw, path, bad)


def pages(raw: bytes, place: str, bad: Bad, header: str = "", url: str = "") -> Iterator[Record]:
  """The record of a page's bytes. header: the Content-Type that it came with."""
  try:
    page = decode_html(raw, header)
    fields = _article(page, url)
    where = cut_off(page)
  except Exception as e:  # Broken pages make parsers fail in many ways of their own.
    bad(InputError(f"{place}: this page cannot be read ({type(e).__name__}: {e})."))
    return
  if fields and where:
    bad(InputError(f"{place}: the page is cut off {where}. Fetch it anew."))
  elif fields:
    yield Record(fields, place)
  else:
    bad(InputError(f"{place}: the page has no text: nothing in it reads like an article."))


def _article(page: str, url: str) -> dict[str, str]:
  import trafilatura
  from trafilatura.metadata import extract_metadata

  check_tags(page)
  tree = trafilatura.load_html(page) if page.strip() else None
  if tree is None:
    return {}
  with _quiet("trafilatura", "htmldate", "courlan"):
    article = copy.deepcopy(tree)
    mend_tables(article)
    text = trafilatura.extract(
      article, url=url or None, output_format="markdown", include_formatting=True,
      include_comments=False, include_images=False, include_links=False,
    )  # fmt: skip
    if not text or not text.strip():
      return {}
    # Not extensive: a year in the running text is no date of publication.
    facts = extract_metadata(tree, default_url=url or None, extensive=False)
  heading = re.match(r"# +(.+)\n", text.lstrip())  # the article's own; the head may name the site
  fields = {
    "text": text.strip(),
    "title": plain(re.sub(r"[`*]", "", heading[1])) if heading else facts.title,
    "date": iso_date(facts.date),
    "author": facts.author,
    "url": url or facts.url,
    "category": next(iter(facts.categories or ()), ""),
    "licence": facts.license,
  }
  return {name: value for name, value in fields.items() if value}


@contextlib.contextmanager
def _quiet(*names: str):
  """Without what libraries log about each odd page; `bad` says what matters."""
  loggers = [logging.getLogger(name) for name in names]
  levels = [logger.level for logger in loggers]
  for logger in loggers:
    logger.setLevel(logging.CRITICAL)
  try:
    yield
  finally:
    for logger, level in zip(loggers, levels, strict=True):
      logger.setLevel(level)
