"""A page or feed by its URL, told apart by the type that the server gives."""

from __future__ import annotations

import io
from collections.abc import Iterator
from urllib.parse import urlsplit

from ftjax.config import InputError
from ftjax.data.record import Bad, Record, raise_error
from ftjax.data.sources import feed, html, wp
from ftjax.data.sources._cache import fetch
from ftjax.data.sources._reading import DEFAULT, Reading


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """path: the URL of an HTML page, of a feed, or of a collection of a WordPress site's REST API.
  Raises InputError for what cannot be fetched or is of another type."""
  if "/wp-json" in urlsplit(path).path:
    yield from wp.records(path, bad, how)
    return
  response = fetch(path, how)
  header = response.headers.get("content-type", "")
  kind = header.partition(";")[0].strip().lower()
  if kind in ("text/html", "application/xhtml+xml"):
    yield from html.pages(response.body, path, bad, header, response.url)
  elif kind.endswith(("/xml", "+xml")):
    yield from feed.entries(io.BytesIO(response.body), path, bad, how)
  else:
    raise InputError(
      f"{path}: the answer is of type {kind or 'unknown'}; of URLs, HTML pages, RSS, Atom and WordPress's REST API are "
      "read. Download the file and name its path."
    )
