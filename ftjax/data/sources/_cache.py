"""What was fetched, kept in a folder, so that work that was cut off fetches nothing twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from ftjax.data.sources._fetch import Response, get
from ftjax.data.sources._reading import Reading
from ftjax.storage import atomic_path


def kept(url: str, how: Reading) -> Response | None:
  """What the cache has of a URL, if anything. A file that is not whole counts as nothing."""
  path = _path(url, how)
  if not path or not path.is_file():
    return None
  head, _, body = path.read_bytes().partition(b"\n")
  try:
    facts = json.loads(head)
    whole = len(body) == facts["bytes"] and facts["asked"] == url
    return Response(facts["url"], facts["headers"], body) if whole else None
  except (ValueError, KeyError, TypeError):
    return None


def fetch(url: str, how: Reading, check: Callable[[Response], object] = id) -> Response:
  """From the cache, or else from the web and then into the cache, in one move. check: raises for an
  answer that is not what was asked for, such as a notice of maintenance; that is not kept."""
  response = kept(url, how)
  if response is None:
    response = get(url, how)
    check(response)
    if path := _path(url, how):
      facts = {"asked": url, "url": response.url, "bytes": len(response.body)}
      head = json.dumps(facts | {"headers": dict(response.headers)}).encode()
      with atomic_path(path) as temporary:
        temporary.write_bytes(head + b"\n" + response.body)
  return response


def _path(url: str, how: Reading) -> Path | None:
  if not how.cache:
    return None
  return Path(how.cache) / hashlib.blake2b(url.encode(), digest_size=16).hexdigest()
