"""Broken, mixed and hostile files: each fault is told with its place, the rest goes through, and
nothing too large is ever held."""

import gzip
import json
import tracemalloc
import zipfile

import pytest

from ftjax.config import InputError
from ftjax.data.read import read
from ftjax.data.sources._reading import Reading, open_input

SMALL = Reading(max_line=1000, max_document=1000)
ROW = b'{"text": "x"}\n'
LATIN = '{"text": "caf\xe9"}\n'.encode("latin-1")
LONG = b'{"text": "' + b"y" * 5000 + b'"}\n'


def test_a_line_of_jsonl_that_is_bad_is_named_and_the_rest_goes_through(tmp_path, gather):
  path = tmp_path / "a.jsonl"
  path.write_bytes(ROW + LATIN + b"{oops}\n" + ROW + b"[1]\n" + LONG + ROW)
  rows, bad = gather("jsonl", path, SMALL)
  assert rows == [{"text": "x"}] * 3
  wanted = [
    "a.jsonl:2: not UTF-8",
    "a.jsonl:3: not valid JSON",
    "a.jsonl:5: a row must be",
    "a.jsonl:6: the line has",
  ]
  assert len(bad) == 4 and all(w in b for w, b in zip(wanted, bad, strict=True))
  assert "5013 bytes" in bad[3] and "1 kB" in bad[3]


def test_a_row_of_csv_that_is_bad_is_named_and_the_rest_goes_through(tmp_path, gather):
  path = tmp_path / "a.csv"
  path.write_bytes(
    b'a,b\n1,"2\n2"\n1,caf\xe9\n1,2,3\n'  # 2-3 fine; 4 latin-1; 5 too many
    + b"1," + b"y" * 5000 + b"\n"  # 6 too long
    + b'1,2\n1,"x\ncaf\xe9\nz"\n1,"q"q\n3,4\n'  # 7 fine; 8-10 latin-1 within quotes; 11; 12 fine
  )  # fmt: skip
  rows, bad = gather("csv", path, SMALL)
  assert [r["b"] for r in rows] == ["2\n2", "2", "4"]
  places = [b.split(": ")[0].rpartition(":")[2] for b in bad]
  assert places == ["4", "5", "6", "9", "11"]
  assert "5003 bytes" in bad[2]


def test_lines_of_text_that_are_bad_are_left_out_where_they_are_few(tmp_path, gather):
  (tmp_path / "a.txt").write_bytes(b"one\n" * 60 + b"caf\xe9\n" + b"two\n" * 60)
  rows, bad = gather("text", tmp_path / "a.txt")
  assert rows == [{"text": "one\n" * 60 + "two\n" * 60}] and "a.txt:61: not UTF-8" in bad[0]
  (tmp_path / "b.txt").write_bytes(b"caf\xe9\n" * 3 + b"two\n")
  rows, bad = gather("text", tmp_path / "b.txt")
  assert not rows and len(bad) == 1 and "b.txt: not UTF-8 text" in bad[0]


def test_training_still_ends_at_the_first_bad_line(tmp_path):
  (tmp_path / "a.jsonl").write_bytes(ROW + LATIN + ROW)
  with pytest.raises(InputError, match="a.jsonl:2: not UTF-8"):
    read(str(tmp_path / "a.jsonl"))
  (tmp_path / "a.txt").write_bytes(b"one\n" * 60 + b"caf\xe9\n")
  with pytest.raises(InputError, match=r"a.txt: not UTF-8 text .* at byte 244"):
    read(str(tmp_path / "a.txt"))


def test_a_long_line_is_never_held(tmp_path, gather):
  path = tmp_path / "a.jsonl"
  with open(path, "wb") as f:
    for _ in range(40):
      f.write(b"y" * (1 << 20))
    f.write(b"\n" + ROW)
  tracemalloc.start()
  rows, bad = gather("jsonl", path, SMALL)
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert rows == [{"text": "x"}] and "a.jsonl:1: the line has 41.9 MB" in bad[0]
  assert peak < 8 << 20


def test_a_list_of_json_is_read_row_by_row(tmp_path, gather):
  rows = [{"text": "\u00fc" * n, "n": [n, {"m": n}]} for n in range(3000)]
  path = tmp_path / "a.json"
  for indent in (None, 2):
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=False), "utf-8")
    assert path.stat().st_size > 2 << 20
    found, bad = gather("json", path)
    assert found == rows and not bad


@pytest.mark.parametrize(
  ("content", "count", "match"),
  [
    ('[{"a": 1},\n {"a": 2},\n {"a": }]', 2, r"a\.json:3: not valid JSON at column 8"),
    ('[{"a": 1},\n {"a": 2}', 2, r"a\.json:2: not valid JSON at column 10: Expecting ',' delim"),
    ('[{"a": 1},\n 7, {"a": 2}]', 2, r"a\.json row 2: a row must be an object, but is a int"),
    ('[{"a": 1}] x', 1, r"a\.json:1: not valid JSON at column 12: Extra data"),
    ('[{"a": 1}, {"a": "cut', 1, r"a\.json:1: not valid JSON at column 18: Unterminated"),
    ('[{"a": 1}, {"a": "' + "y" * 3_000_000 + '"}]', 1, r"a\.json:1: a row has more than 1 kB"),
    ("[" * 200_000, 0, r"a\.json:1: not readable JSON|not valid JSON"),
    ("7", 0, r"a\.json: must be a list of rows"),
  ],
)
def test_what_stands_before_a_fault_in_json_is_read(tmp_path, gather, content, count, match):
  (tmp_path / "a.json").write_text(content)
  rows, bad = gather("json", tmp_path / "a.json", SMALL)
  assert len(rows) == count and len(bad) == 1
  with pytest.raises(InputError, match=match):
    raise InputError(bad[0])


def test_packed_files_are_read_as_what_they_hold(tmp_path, gather):
  import zstandard

  (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(ROW * 3))
  (tmp_path / "a.jsonl.zst").write_bytes(zstandard.compress(ROW * 3))
  for name in ("a.jsonl.gz", "a.jsonl.zst"):
    assert gather("jsonl", tmp_path / name) == ([{"text": "x"}] * 3, [])


def bomb(path, count):
  """A packed file of rows, and then of `count` MiB of zeros."""
  import zstandard

  zeros = b"\0" * (1 << 20)
  if path.suffix == ".zip":
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z, z.open("a.jsonl", "w") as f:
      f.write(ROW)
      for _ in range(count):
        f.write(zeros)
    return f"{path}::a.jsonl"
  opened = gzip.open(path, "wb", 6) if path.suffix == ".gz" else zstandard.open(path, "wb")
  with opened as f:
    f.write(ROW)
    for _ in range(count):
      f.write(zeros)
  return str(path)


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.zip"])
def test_a_bomb_is_left_with_its_place(tmp_path, gather, name):
  path = bomb(tmp_path / name, 100)
  rows, bad = gather("jsonl", path, SMALL)
  assert rows == [{"text": "x"}]
  assert f"{path}: expands to more than 64 MB" in bad[-1]


@pytest.mark.parametrize("name", ["a.txt.gz", "a.txt.zst"])
def test_a_document_that_expands_beyond_its_bound_is_refused(tmp_path, gather, name):
  rows, bad = gather("text", bomb(tmp_path / name, 3), SMALL)
  assert not rows and "a.txt" in bad[0] and "more than 1 kB" in bad[0]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_a_packed_file_that_is_cut_short_is_told(tmp_path, gather, name):
  import random

  import zstandard

  noise = random.Random(1)
  data = b"".join(b'{"text": "%x"}\n' % noise.getrandbits(400) for _ in range(4000))
  pack = gzip.compress if name.endswith("gz") else zstandard.compress
  (tmp_path / name).write_bytes(pack(data)[:-2000])
  rows, bad = gather("jsonl", tmp_path / name)
  assert 1000 < len(rows) < 4000
  assert any("damaged or cut short" in b or "not valid JSON" in b for b in bad), bad
  (tmp_path / name).write_bytes(b"this is not packed")
  rows, bad = gather("jsonl", tmp_path / name)
  assert not rows and "damaged or cut short" in bad[0]


def test_parquet_that_is_damaged_later_gives_what_stands_before(tmp_path, gather):
  import pyarrow
  import pyarrow.parquet

  path = tmp_path / "a.parquet"
  table = pyarrow.table({"text": [f"row {i}" * 20 for i in range(4000)]})
  pyarrow.parquet.write_table(
    table, path, row_group_size=2000, compression="gzip", use_dictionary=False
  )
  raw = bytearray(path.read_bytes())
  at = len(raw) * 3 // 4
  raw[at : at + 200] = b"\xff" * 200
  path.write_bytes(raw)
  rows, bad = gather("parquet", path)
  assert 0 < len(rows) < 4000 and "not a readable Parquet file" in bad[0]


def test_a_member_that_is_encrypted_or_missing_is_told(tmp_path):
  path = tmp_path / "a.zip"
  with zipfile.ZipFile(path, "w") as z:
    z.writestr("a.txt", "words")
  raw = bytearray(path.read_bytes())
  for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
    raw[raw.index(mark) + offset] |= 1
  path.write_bytes(raw)
  with pytest.raises(InputError, match="a.zip::a.txt: the member is encrypted"):
    open_input(f"{path}::a.txt")
  with pytest.raises(InputError, match="a.zip::b.txt: not a readable zip archive"):
    open_input(f"{path}::b.txt")


def test_text_with_the_mark_of_utf_16_is_read_as_that(tmp_path, gather):
  for encoding in ("utf-16", "utf-16-be"):
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    (tmp_path / "a.txt").write_bytes(mark + "Grüße".encode(encoding))
    rows, bad = gather("text", tmp_path / "a.txt")
    assert rows == [{"text": "Grüße"}] and not bad
  (tmp_path / "a.txt").write_bytes(b"\xff\xfea")
  rows, bad = gather("text", tmp_path / "a.txt")
  assert not rows and len(bad) == 1 and "a.txt: not UTF-8" in bad[0]
