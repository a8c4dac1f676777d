"""Files of rows to check and to mend."""

import json

from ftjax.data.lint import check
from ftjax.data.lint.problem import ERROR

GOOD = '{"messages": [{"role": "user", "content": "Hi %d"}, {"role": "assistant", "content": "Ho %d"}]}\n'


def good(n):
  return GOOD % (n, n)


def turns(*pairs):
  return json.dumps({"messages": [{"role": r, "content": c} for r, c in pairs]}, ensure_ascii=False)


def mend(tmp_path, content, name="rows.jsonl", **more):
  """(findings, rows of the mended file) of a file with this content, which is checked once more."""
  path, out = tmp_path / name, tmp_path / "mended.jsonl"
  path.write_bytes(content if isinstance(content, bytes) else content.encode())
  before = path.read_bytes()
  found = check(str(path), str(out), **more)
  assert path.read_bytes() == before
  again = check(str(out), **more)
  left = [str(p) for p in again if p.level == ERROR or p.mends]
  assert not left and again.status == 0 and again.rows == found.written
  return found, [json.loads(line) for line in out.read_bytes().splitlines()]


def answer(row):
  return row["messages"][-1]["content"]


ASK = ("user", "Ask")
