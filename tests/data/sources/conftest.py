"""A function that reads a source to its end, with what it told `bad`; and a server on the loopback
address that answers as a test scripts it."""

import http.server
import threading
import time
from contextlib import suppress

import pytest

from ftjax import plugin
from ftjax.data.sources._reading import DEFAULT, Reading

OPEN = Reading(allow_private=True, delay=0.0, max_document=1_000_000)


@pytest.fixture
def gather():
  """gather(kind, path[, how]) -> (the fields of all records, the messages told to `bad`)."""

  def run(kind, path, how=DEFAULT):
    bad = []
    records = plugin.load("ftjax.data.sources", kind).records(str(path), bad.append, how)
    found = [r.fields for r in records]
    return found, [str(e) for e in bad]

  return run


class Site:
  """answers: path with query, or path alone -> a list of (status, headers, body), of which the last
  stays; body may be an iterator of pieces. asked: every request's path with query. agents: what
  they called themselves."""

  def __init__(self):
    self.answers, self.asked, self.agents = {}, [], []
    site = self

    class Handler(http.server.BaseHTTPRequestHandler):
      def do_GET(self):
        site.asked.append(self.path)
        site.agents.append(self.headers["User-Agent"])
        listed = site.answers.get(self.path) or site.answers.get(self.path.split("?")[0])
        status, headers, body = (404, {}, b"") if not listed else listed[0]
        if listed and len(listed) > 1:
          listed.pop(0)
        self.send_response(status)
        for name, value in headers.items():
          self.send_header(name, value)
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):
          for piece in [body] if isinstance(body, bytes) else body:
            self.wfile.write(piece)

      def log_message(self, *_):
        pass

    self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    self.server.daemon_threads = True
    self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
    self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
    self.thread.start()

  def stop(self):
    self.server.shutdown()
    self.server.server_close()
    self.thread.join()


@pytest.fixture
def site():
  found = Site()
  yield found
  found.stop()


@pytest.fixture(autouse=True)
def waits(monkeypatch):
  """No test waits; what would have been waited for is listed."""
  out = []
  monkeypatch.setattr(time, "sleep", out.append)
  return out
