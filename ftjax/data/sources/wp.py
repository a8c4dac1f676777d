"""A WordPress site through its REST API: "wp:https://site[/path]", or the URL of a collection such
as https://site/wp-json/wp/v2/pages.

https://developer.wordpress.org/rest-api/reference/posts/. Pages of 100 posts are asked for one at a
time, with a pause between them, and kept in a cache, so that work that was cut off goes on with the
first page that is missing. The order is by id, rising: posts that appear meanwhile come last and
shift none of the pages before.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ftjax.config import InputError
from ftjax.data.record import Bad, Record, raise_error
from ftjax.data.sources._cache import fetch, kept
from ftjax.data.sources._fetch import Response, StatusError
from ftjax.data.sources._markup import iso_date, plain
from ftjax.data.sources._reading import DEFAULT, Reading
from ftjax.data.sources.wxr import first_category, markdown_of

_PER_PAGE = 100  # the API's maximum
_FIELDS = "id,date_gmt,date,link,title,content,status,_links,_embedded"
_API = "/wp-json"


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """path: the site's URL, without "wp:". One record {"text": Markdown, "title", "date", "author",
  "url", "category"} for each published post. Tells `bad` of posts without text. Raises InputError
  for a page that cannot be fetched: run it again, and it goes on from there."""
  base, number, total, fetched = endpoint(path), 0, 1, False
  while number < total:
    number += 1
    url = _page(base, number)
    if kept(url, how) is None:
      if fetched:
        time.sleep(how.delay)
      fetched = True
    try:
      response = fetch(url, how, _posts)
    except StatusError as e:
      if e.status == 400 and number > 1:  # Past the last page: their number was not told.
        return
      raise
    posts = _posts(response)
    total = _total(response, number, len(posts))
    for post in posts:
      try:
        record = _record(post, path)
      except InputError as e:
        error = e
      else:
        yield record
        continue
      bad(error)


def endpoint(path: str) -> str:
  """The URL of the collection: of a site, its posts."""
  parts = urlsplit(path)
  route = parts.path.rstrip("/")
  if route.endswith(_API):
    route += "/wp/v2/posts"
  elif f"{_API}/" not in route:
    route += f"{_API}/wp/v2/posts"
  return urlunsplit((parts.scheme, parts.netloc, route, parts.query, ""))


def _page(base: str, number: int) -> str:
  parts = urlsplit(base)
  asked = {"orderby": "id", "order": "asc", "_embed": "author,wp:term", "_fields": _FIELDS}
  asked |= dict(parse_qsl(parts.query)) | {"per_page": _PER_PAGE, "page": number}
  return urlunsplit(parts._replace(query=urlencode(asked)))


def _total(response: Response, number: int, count: int) -> int:
  """Pages in all: as the server says, or else at least one more while pages are full."""
  told = response.headers.get("x-wp-totalpages", "")
  return int(told) if told.isdigit() else number + (count == _PER_PAGE)


def _posts(response: Response) -> list[Any]:
  url = response.url
  try:
    posts = json.loads(response.body)
  except (ValueError, RecursionError) as e:
    raise InputError(
      f"{url}: the answer is not JSON ({e}). Is this a WordPress site, and is its REST API open?"
    ) from e
  if not isinstance(posts, list):
    raise InputError(
      f"{url}: the answer is not a list of posts, but a {type(posts).__name__}. Give a site, or a collection such as "
      ".../wp-json/wp/v2/posts."
    )
  return posts


def _record(post: Any, path: str) -> Record:
  if not isinstance(post, dict) or not isinstance(post.get("content"), dict):
    raise InputError(f"{path}: an entry of the answer is not a post with content.")
  place = f"{path} post {post.get('id')}"
  title = plain(_rendered(post, "title"))
  if post["content"].get("protected"):
    raise InputError(f"{place}: {title[:60]!r} is behind a password, so it was left out.")
  text = markdown_of(_rendered(post, "content"), place)
  if not text:
    raise InputError(f"{place}: {title[:60]!r} has no text.")
  date = post.get("date_gmt")
  fields = {
    "text": text,
    "title": title,
    "date": iso_date(f"{date}+00:00" if date else post.get("date")),
    "author": next(iter(_names(post, "author")), ""),
    "url": str(post.get("link") or ""),
    "category": first_category(_names(post, "wp:term")),
  }
  return Record({name: value for name, value in fields.items() if value}, place)


def _rendered(post: dict[str, Any], name: str) -> str:
  value = post.get(name)
  value = value.get("rendered") if isinstance(value, dict) else value
  return value if isinstance(value, str) else ""


def _names(post: dict[str, Any], what: str) -> list[str]:
  """The names of a post's authors or categories, which _embed adds."""
  embedded = post.get("_embedded")
  listed = embedded.get(what) if isinstance(embedded, dict) else None
  out = []
  for entry in listed if isinstance(listed, list) else ():
    for item in entry if isinstance(entry, list) else [entry]:
      if isinstance(item, dict) and item.get("taxonomy", "category") == "category":
        out.append(plain(str(item.get("name") or "")))
  return [name for name in out if name]
