"""Fetching from the web, politely and without being led astray.

A URL in a feed or a config may point into the network of the machine that reads it (server-side
request forgery, OWASP A10:2021). So each address that a name resolves to must be of the public
internet, the connection is made to the very address that was checked, and redirects stay on their
host. urllib3 speaks HTTP and TLS; it follows no redirects and reads no proxy settings here.
"""

from __future__ import annotations

import email.utils
import importlib.metadata
import ipaddress
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from ftjax.config import InputError
from ftjax.data.sources._reading import Reading
from ftjax.sizes import told

_PORTS = {"http": 80, "https": 443}
_TIMEOUT = 30.0  # seconds to connect, and between two pieces of an answer
_DEADLINE = 600.0  # seconds for one whole answer
_REDIRECTS = 5
_TRIES = 4
_ADDRESSES = 4  # of a host, tried in turn
_LONGEST_WAIT = 120.0  # seconds; a server that asks for more is left for another run
_BUSY = (429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Response:
  """An answer of status 200. url: where it came from in the end. headers: names in lower case."""

  url: str
  headers: Mapping[str, str]
  body: bytes


def get(url: str, how: Reading) -> Response:
  """Fetches a URL: at most how.max_document bytes, tried anew where the server is busy or the
  line breaks, after the time that Retry-After asks for.

  Raises InputError naming the URL for a scheme, host or address that is not allowed, a redirect to
  another host, a status other than 200, and an answer that is too large or too slow.
  """
  for left in reversed(range(_TRIES)):
    last, wait = url, 2.0 ** (_TRIES - 1 - left)
    try:
      for _ in range(_REDIRECTS + 1):
        status, headers, body = _once(last, how)
        if status not in (301, 302, 303, 307, 308):
          break
        last = _redirected(last, headers.get("location", ""))
      else:
        raise InputError(f"{url}: redirected more than {_REDIRECTS} times.")
    except _Unreachable as e:
      problem = str(e)
    else:
      if status == 200:
        return Response(last, headers, body)
      problem = f"the server answered with status {status}"
      if status not in _BUSY:
        raise StatusError(f"{url}: {problem}.{_hint(status)}", status)
      wait = _retry_after(headers.get("retry-after", ""), wait)
      if wait > _LONGEST_WAIT:
        raise Later(
          f"{url}: {problem} and asks to come back in {wait:.0f} s. Run the same command again then; what was fetched is kept."
        )
    if left:
      time.sleep(wait)
  raise Later(f"{url}: {problem}, {_TRIES} times. Run the same command again later.")


class Later(InputError):
  """The server is busy or cannot be reached: what another run may well get."""


class StatusError(InputError):
  """A status that another try would not change."""

  def __init__(self, message: str, status: int):
    super().__init__(message)
    self.status = status


class _Unreachable(Exception):
  """A fault of the line, which another try may not meet."""


def _once(url: str, how: Reading) -> tuple[int, Mapping[str, str], bytes]:
  """One request, to the first of the host's checked addresses that answers."""
  parts = _checked(url)
  port = parts.port or _PORTS[parts.scheme]
  addresses = _addresses(parts.hostname, port, how.allow_private, url)
  for last, address in enumerate(addresses[:_ADDRESSES], 1):
    try:
      return _ask(url, parts, address, port, how)
    except _Unreachable:
      if last == len(addresses[:_ADDRESSES]):
        raise
  raise _Unreachable(f"the host {parts.hostname!r} has no address")


def _ask(url: str, parts: SplitResult, address: str, port: int, how: Reading):
  import urllib3

  timeout = urllib3.Timeout(connect=_TIMEOUT, read=_TIMEOUT)
  if parts.scheme == "https":
    pool = urllib3.HTTPSConnectionPool(
      address, port, timeout=timeout, server_hostname=parts.hostname,
      assert_hostname=parts.hostname, cert_reqs="CERT_REQUIRED",
    )  # fmt: skip
  else:
    pool = urllib3.HTTPConnectionPool(address, port, timeout=timeout)
  headers = {
    "Host": parts.netloc,
    "User-Agent": f"ftjax/{_version()} (dataset preparation; robots.txt name: ftjax)",
    "Accept-Encoding": "identity",
  }
  target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
  with pool:
    try:
      answer = pool.urlopen(
        "GET", target, headers=headers, retries=False, redirect=False, preload_content=False
      )
      try:
        named = {name.lower(): value for name, value in answer.headers.items()}
        return answer.status, named, _body(answer, url, how)
      finally:
        answer.close()
    except (urllib3.exceptions.HTTPError, OSError) as e:
      if isinstance(e, urllib3.exceptions.SSLError) and isinstance(e.args[0], ValueError):
        raise InputError(f"{url}: the host's certificate is not valid: {e.args[0]}.") from e
      raise _Unreachable(f"cannot be fetched: {' '.join(str(e).split())[:300]}") from e


def _body(answer, url: str, how: Reading) -> bytes:
  if answer.status != 200:
    return b""
  out, began = bytearray(), time.monotonic()
  for piece in answer.stream(1 << 16, decode_content=True):
    out += piece
    if len(out) > how.max_document:
      raise InputError(f"{url}: the answer has more than {told(how.max_document)}; it was left.")
    if time.monotonic() - began > _DEADLINE:
      raise InputError(f"{url}: the answer took more than {_DEADLINE:.0f} s; it was left.")
  return bytes(out)


def _checked(url: str) -> SplitResult:
  try:
    parts = urlsplit(url)
    port = parts.port
  except ValueError as e:
    raise InputError(f"{url}: not a valid URL: {e}.") from e
  if parts.scheme not in _PORTS or not parts.hostname or port == 0:
    raise InputError(f"{url}: only http:// and https:// URLs with a host are fetched.")
  if "@" in parts.netloc:
    raise InputError(
      f"{parts.scheme}://{parts.hostname}: URLs with a user or password are not fetched."
    )
  if not url.isascii() or any(c <= " " or c == "\x7f" for c in url):
    raise InputError(f"{url!r}: write spaces and other letters in a URL as %20 and the like.")
  return parts


def _addresses(host: str, port: int, allow_private: bool, url: str) -> list[str]:
  """The addresses of a host, all of which must be public."""
  try:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
  except (OSError, UnicodeError) as e:
    raise _Unreachable(f"the host {host!r} is not found: {e}") from e
  addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
  for address in addresses:
    if not allow_private and not is_public(address):
      raise InputError(
        f"{url}: {host} is {address}, which is not an address of the public internet; nothing was fetched. For a server "
        "of your own, set allow_private=True on the source."
      )
  return addresses


def is_public(address: str) -> bool:
  """Whether an IP address is of the public internet: not private, loopback, link-local, shared,
  multicast or reserved (the registries of RFC 6890), nor an IPv6 form that wraps such a one."""
  ip = ipaddress.ip_address(address.partition("%")[0])
  if ip.version == 6:
    if ip.ipv4_mapped:
      return is_public(str(ip.ipv4_mapped))
    inner = [ip.sixtofour, *(ip.teredo or ())]
    if ip in ipaddress.ip_network("64:ff9b::/96"):  # NAT64, RFC 6052
      inner.append(ipaddress.ip_address(int(ip) & 0xFFFFFFFF))
    if ip in ipaddress.ip_network("::/96"):  # IPv4-compatible, RFC 4291
      return False
    if any(i is not None and not is_public(str(i)) for i in inner):
      return False
  return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _redirected(url: str, location: str) -> str:
  """Where a redirect leads, if that is the same host, and not from https to http."""
  to = urljoin(url, location)
  before, after = urlsplit(url), _checked(to)
  ports = [p.port or _PORTS[p.scheme] for p in (before, after)]
  upgraded = (before.scheme, after.scheme, ports) == ("http", "https", [80, 443])
  same = before.scheme == after.scheme and ports[0] == ports[1]
  if not location or before.hostname != after.hostname or not (same or upgraded):
    raise InputError(
      f"{url}: redirects to {to}, which is another host, port or scheme; that was not followed. If you trust it, name it "
      "as the source."
    )
  return to


def _retry_after(value: str, default: float) -> float:
  """Seconds, from a number of them or a date (RFC 9110, 10.2.3)."""
  if value.strip().isdigit():
    return float(value)
  try:
    return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
  except (TypeError, ValueError):
    return default


def _hint(status: int) -> str:
  if status in (401, 403):
    return " The site does not give this page to programs; ask its owner for an export."
  return " Check the URL." if status == 404 else ""


def _version() -> str:
  try:
    return importlib.metadata.version("ftjax")
  except importlib.metadata.PackageNotFoundError:  # a checkout on the path, never installed
    return "0"
