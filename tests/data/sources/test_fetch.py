"""Fetching: only public addresses and the host that was named, within bounds, politely, nothing twice."""

import itertools
import socket
import time
from email.utils import formatdate

import pytest

from ftjax.config import InputError
from ftjax.data.sources import _fetch
from ftjax.data.sources._cache import fetch, kept
from ftjax.data.sources._fetch import Later, get, is_public
from ftjax.data.sources._reading import Reading
from tests.data.sources.conftest import OPEN


@pytest.mark.parametrize(
  ("address", "public"),
  [
    ("8.8.8.8", True), ("2606:4700:4700::1111", True),
    ("127.0.0.1", False), ("10.1.2.3", False), ("172.16.0.1", False), ("192.168.1.1", False),
    ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False),
    ("239.1.1.1", False), ("240.0.0.1", False), ("255.255.255.255", False), ("192.0.2.1", False),
    ("::1", False), ("::", False), ("fe80::1%eth0", False), ("fc00::1", False), ("ff02::1", False),
    ("::ffff:127.0.0.1", False), ("::ffff:8.8.8.8", True), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False),
    ("::7f00:1", False),
  ],
)  # fmt: skip
def test_which_addresses_are_public(address, public):
  assert is_public(address) == public


@pytest.mark.parametrize(
  ("url", "match"),
  [
    ("file:///etc/passwd", "only http:// and https://"),
    ("ftp://example.org/x", "only http:// and https://"),
    ("gopher://example.org/x", "only http:// and https://"),
    ("http://", "only http:// and https://"),
    ("http://user:pw@127.0.0.1/", "user or password"),
    ("http://127.0.0.1:99999/", "not a valid URL"),
    ("http://127.0.0.1/a b", "%20"),
    ("http://127.0.0.1/a\r\nHost: x", "%20"),
    ("http://127.0.0.1/", "is 127.0.0.1, which is not an address of the public internet"),
    ("http://[::1]/", "not an address of the public internet"),
    ("http://localhost/", "not an address of the public internet"),
    ("http://2130706433/", "not an address of the public internet"),
  ],
)
def test_a_url_that_is_not_of_the_public_web_is_refused(url, match):
  with pytest.raises(InputError, match=match) as e:
    get(url, Reading())
  assert "pw" not in str(e.value)


def test_a_host_with_one_private_address_is_refused(monkeypatch):
  addresses = [(2, 1, 6, "", (a, 80)) for a in ("8.8.8.8", "10.0.0.1")]
  monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: addresses)
  with pytest.raises(InputError, match=r"example.org is 10\.0\.0\.1, which is not"):
    get("http://example.org/", Reading())


def test_the_address_that_was_checked_is_the_one_connected_to(site, monkeypatch):
  """A name that resolves to another address at each look-up (DNS rebinding) is looked up once."""
  port = int(site.url.rpartition(":")[2])
  site.answers["/"] = [(200, {}, b"ok")]
  true, looked = socket.getaddrinfo, []

  def look(host, *args, **kwargs):
    if host == "rebind.example":
      looked.append(host)
      host = "127.0.0.1" if len(looked) == 1 else "192.0.2.1"
    return true(host, *args, **kwargs)

  monkeypatch.setattr(socket, "getaddrinfo", look)
  assert get(f"http://rebind.example:{port}/", OPEN).body == b"ok"
  assert looked == ["rebind.example"]


def test_redirects_stay_on_their_host(site):
  port = site.url.rpartition(":")[2]
  moved = lambda to: [(302, {"Location": to}, b"")]
  site.answers["/here"] = moved("/there")
  site.answers["/there"] = [(200, {}, b"found")]
  assert get(f"{site.url}/here", OPEN).body == b"found"
  for to in ("http://example.org/", f"http://localhost:{port}/there", "http://127.0.0.1:1/", "//example.org/",
             f"https://127.0.0.1:{port}/", "file:///etc/passwd", ""):  # fmt: skip
    site.answers["/away"] = moved(to)
    asked = len(site.asked)
    with pytest.raises(InputError, match=r"another host, port or scheme|only http:// and https://"):
      get(f"{site.url}/away", OPEN)
    assert len(site.asked) == asked + 1
  site.answers["/loop"] = moved("/loop")
  with pytest.raises(InputError, match="redirected more than 5 times"):
    get(f"{site.url}/loop", OPEN)


def test_an_endless_answer_is_left(site):
  site.answers["/"] = [(200, {}, itertools.repeat(b"x" * 65536, 10_000))]
  with pytest.raises(InputError, match="the answer has more than 1 MB"):
    get(site.url, OPEN)


def test_an_answer_that_takes_too_long_is_left(site, monkeypatch):
  monkeypatch.setattr(_fetch, "_DEADLINE", -1.0)
  site.answers["/"] = [(200, {}, b"x")]
  with pytest.raises(InputError, match="the answer took more than"):
    get(site.url, OPEN)


def test_a_packed_answer_counts_as_what_it_expands_to(site):
  import gzip

  site.answers["/"] = [(200, {"Content-Encoding": "gzip"}, gzip.compress(b"\0" * 20_000_000))]
  with pytest.raises(InputError, match="the answer has more than 1 MB"):
    get(site.url, OPEN)


def test_a_busy_server_is_asked_again_when_it_says(site, waits):
  site.answers["/"] = [
    (429, {"Retry-After": "7"}, b""),
    (503, {"Retry-After": formatdate(time.time() + 30, usegmt=True)}, b""),
    (500, {}, b""),
    (200, {}, b"ok"),
  ]
  assert get(site.url, OPEN).body == b"ok"
  assert waits[0] == 7 and 25 < waits[1] <= 30 and waits[2] == 4
  assert all(agent.startswith("ftjax/") for agent in site.agents)
  site.answers["/"] = [(429, {"Retry-After": "86400"}, b"")]
  with pytest.raises(Later, match="asks to come back in 86400 s"):
    get(site.url, OPEN)
  site.answers["/"] = [(503, {}, b"")]
  with pytest.raises(Later, match="status 503, 4 times"):
    get(site.url, OPEN)
  with pytest.raises(InputError, match="status 404. Check the URL"):
    get(f"{site.url}/none", OPEN)


def test_a_server_that_is_not_there_is_tried_again(waits):
  with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
  with pytest.raises(Later, match="cannot be fetched.*4 times"):
    get(f"http://127.0.0.1:{port}/", OPEN)
  assert waits == [1, 2, 4]


def test_what_was_fetched_is_kept_whole_or_not_at_all(site, tmp_path):
  how = Reading(allow_private=True, cache=str(tmp_path / "cache"))
  site.answers["/"] = [(200, {"X-A": "1"}, b"one\ntwo")]
  first = fetch(site.url, how)
  assert fetch(site.url, how) == first and first.headers["x-a"] == "1" and len(site.asked) == 1
  (file,) = (tmp_path / "cache").iterdir()
  file.write_bytes(file.read_bytes()[:-2])
  assert kept(site.url, how) is None
  assert fetch(site.url, how) == first and len(site.asked) == 2

  def refuse(response):
    raise InputError("not this")

  with pytest.raises(InputError, match="not this"):
    fetch(f"{site.url}/?b", how, refuse)
  assert kept(f"{site.url}/?b", how) is None


@pytest.fixture
def secure(tmp_path, site, monkeypatch):
  """The site over TLS, with a certificate for log.example that the machine trusts."""
  import shutil
  import ssl
  import subprocess

  if not shutil.which("openssl"):
    pytest.skip("needs openssl to make a certificate")
  key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
  command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=log.example -addext subjectAltName=DNS:log.example"
  subprocess.run([*command.split(), "-keyout", key, "-out", cert], check=True, capture_output=True)
  context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
  context.load_cert_chain(cert, key)
  site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
  monkeypatch.setenv("SSL_CERT_FILE", str(cert))
  true, site.looked = socket.getaddrinfo, []

  def look(host, *args, **kwargs):
    site.looked.append(host)
    return true("127.0.0.1" if host.endswith(".example") else host, *args, **kwargs)

  monkeypatch.setattr(socket, "getaddrinfo", look)
  return site


def test_the_certificate_is_of_the_name_though_the_address_is_connected_to(secure):
  port = secure.url.rpartition(":")[2]
  secure.answers["/"] = [(200, {}, b"ok")]
  assert get(f"https://log.example:{port}/", OPEN).body == b"ok"
  assert secure.looked.count("log.example") == 1
  with pytest.raises(InputError, match="certificate is not valid: .*other.example"):
    get(f"https://other.example:{port}/", OPEN)
