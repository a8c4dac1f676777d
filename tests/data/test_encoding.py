"""One file in every encoding that programs write: the same rows in training, preparing and checking."""

import gzip
import io
import json

import pytest

from ftjax.config import InputError
from ftjax.data.encoding import Utf8, lines_of
from ftjax.data.lint import check
from ftjax.data.lint.problem import ERROR
from ftjax.data.read import read
from tests.data.prepared import collect

ROWS = [
  {"prompt": f"Frage {i}: wie groß?", "completion": f"Antwort „{i}“ 漢字 \U0001f600."}
  for i in range(3)
]
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "be with a mark")


def encoded(text, name):
  return b"\xfe\xff" + text.encode("utf-16-be") if name == "be with a mark" else text.encode(name)


def table(delimiter, end):
  lines = [delimiter.join(ROWS[0]), *(delimiter.join(row.values()) for row in ROWS)]
  return "".join(line + end for line in lines)


FILES = {
  "rows.jsonl": "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in ROWS),
  "windows.jsonl": "".join(json.dumps(r, ensure_ascii=False) + "\r\n" for r in ROWS),
  "rows.json": json.dumps(ROWS, ensure_ascii=False, indent=1),
  "object.json": json.dumps({"rows": ROWS}, ensure_ascii=False),
  "windows.csv": table(",", "\r\n"),
  "macintosh.csv": table(";", "\r"),
  "unix.tsv": table("\t", "\n"),
  "macintosh.tsv": table("\t", "\r"),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", FILES)
def test_the_same_rows_everywhere(tmp_path, name, encoding):
  path = tmp_path / name
  path.write_bytes(encoded(FILES[name], encoding))
  assert [r.fields for r in read(str(path))] == ROWS
  examples, bad = collect(str(path))
  assert [e.messages[-1]["content"] for e in examples] == [r["completion"] for r in ROWS]
  assert not bad
  if name != "object.json":  # --validate reads lists and lines alone
    found = check(str(path), str(tmp_path / "fixed.jsonl"))
    assert not found.of(ERROR) and found.written == 3
    fixed = [
      json.loads(line) for line in (tmp_path / "fixed.jsonl").read_text("utf-8").split("\n")[:-1]
    ]
    assert fixed == ROWS


def test_a_packed_file_too(tmp_path):
  path = tmp_path / "rows.csv.gz"
  path.write_bytes(gzip.compress(encoded(FILES["windows.csv"], "utf-16")))
  assert [r.fields for r in read(str(path))] == ROWS


def test_cells_keep_their_own_line_ends(tmp_path):
  (tmp_path / "a.csv").write_bytes(b'a,b\r\n"x\ry","1\r\n2"\r\n')
  assert [r.fields for r in read(str(tmp_path / "a.csv"))] == [{"a": "x\ry", "b": "1\r\n2"}]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_broken_row_is_named_by_its_line(tmp_path, end, encoding):
  path = tmp_path / "a.csv"
  path.write_bytes(encoded(end.join(["a,b", "1,2", "3", "4,5", "6,7,8", ""]), encoding))
  _, bad = collect({"path": str(path), "prompt": "{a}", "response": "{b}"})
  assert [message.split(": ")[0] for message in bad] == [f"{path}:3", f"{path}:5"]
  found = check(str(path))
  assert [(p.code, p.line) for p in found if p.code == "broken-table"] == [
    ("broken-table", 3), ("broken-table", 5),
  ]  # fmt: skip


def test_half_a_character_is_told_in_its_line(tmp_path):
  path = tmp_path / "a.jsonl"
  broken = encoded('{"text": "one"}\n{"text": "two"}\n', "utf-16") + b"\x00"
  path.write_bytes(broken)
  examples, bad = collect(str(path))
  assert [e.text for e in examples] == ["one", "two"]
  assert len(bad) == 1 and f"{path}:3: not UTF-8 text" in bad[0]


@pytest.mark.parametrize("piece", [1, 3, 7, 1000])
def test_pieces_of_any_size_give_the_same_text(piece):
  text = FILES["rows.jsonl"]

  class Slow(io.BytesIO):
    def read1(self, count=-1):
      return super().read1(min(count, piece))

  for encoding in ENCODINGS:
    got = io.BufferedReader(Utf8(Slow(encoded(text, encoding))), 5).read()
    assert got.decode() == text


def test_lines_end_at_line_feeds_alone(tmp_path):
  path = tmp_path / "prompts.txt"
  lines = ["one\u2028still one", "two\x0b\x0c\x85\u2029", "", "three"]
  for end in ("\n", "\r\n"):
    for name in ENCODINGS:
      path.write_bytes(encoded(end.join(lines), name))
      assert lines_of(path) == lines
      path.write_bytes(encoded("".join(line + end for line in lines), name))
      assert lines_of(path) == lines
  path.write_bytes(b"caf\xe9\n")
  with pytest.raises(InputError, match="prompts.txt: neither UTF-8 nor UTF-16.*iconv"):
    lines_of(path)
  with pytest.raises(InputError, match="none.txt: cannot be read: No such file"):
    lines_of(tmp_path / "none.txt")
