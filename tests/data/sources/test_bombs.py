"""Files that say much in little: each is refused, or read up to its bound, in seconds and in one message."""

import contextlib
import datetime
import json
import time
import tracemalloc
import zipfile
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ftjax.data.clean.steps import steps
from ftjax.data.collect import Source
from ftjax.data.curate.stream import inputs_of, streams
from ftjax.data.defaults import get_config
from ftjax.data.example import Example, Origin
from ftjax.data.files import expand
from ftjax.data.read import read
from ftjax.data.sources import _reading, _zip, parquet
from ftjax.data.sources._markup import check_tags, to_markdown
from ftjax.data.sources._reading import Reading
from tests.data.prepared import collect, document

SMALL = Reading(max_line=10_000)


@pytest.fixture
def quick():
  """Every bomb ends within seconds, on a busy machine too."""
  start = time.process_time()
  yield
  assert time.process_time() - start < 5


def packed(path, members):
  with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
    with pytest.warns() if len({n for n, _ in members}) < len(members) else _nothing():
      for name, text in members:
        archive.writestr(name, text)
  return path


def _nothing():
  return contextlib.nullcontext()


def test_an_archive_of_too_many_members_is_told_once(tmp_path, monkeypatch):
  path = packed(tmp_path / "a.zip", [(f"{i}.txt", document(i)) for i in range(6)])
  monkeypatch.setattr(_zip, "MEMBERS", 5)
  examples, bad = collect(str(path))
  assert not examples and bad == [
    f"{path}: the archive has 6 members; at most 5 are read. Unpack it, and name the folder."
  ]
  monkeypatch.setattr(_zip, "MEMBERS", 6)
  assert len(collect(str(path))[0]) == 6


def test_an_archive_that_expands_beyond_its_size_is_told_once(tmp_path, monkeypatch):
  monkeypatch.setattr(_reading, "_FREE", 100_000)
  members = [(f"{i}.txt", "word " * 12_000) for i in range(2)]
  assert len(collect(str(packed(tmp_path / "a.zip", members[:1])))[0]) == 1
  examples, bad = collect(str(packed(tmp_path / "b.zip", members)))
  assert not examples and len(bad) == 1
  assert "b.zip: its members expand to 120 kB, far beyond its own size; it was left" in bad[0]


def test_names_in_an_archive_that_lead_out_of_it_or_come_twice(tmp_path):
  names = ["../up.txt", "/abs.txt", "a/../../b.txt", "a::b.txt", "c:\\d.txt", "two.txt", "two.txt"]
  path = packed(tmp_path / "a.zip", [(n, document(i)) for i, n in enumerate(names)])
  before = sorted(p.name for p in tmp_path.rglob("*"))
  examples, bad = collect(str(path))
  assert sorted(e.text for e in examples) == sorted(document(i) for i in (0, 1, 2, 3, 4, 6))
  assert len(bad) == 1 and "1 of its names stand for several members (two.txt)" in bad[0]
  assert sorted(p.name for p in tmp_path.rglob("*")) == before, "nothing is unpacked"


def test_an_archive_with_names_in_no_encoding(tmp_path):
  path = packed(tmp_path / "a.zip", [("é.txt", document(0))])
  path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
  assert expand(str(path)) == [str(path)]
  examples, bad = collect(str(path))
  assert not examples and len(bad) == 1 and "not a readable zip archive" in bad[0]


def test_members_of_an_archive_are_read_together(tmp_path):
  path = packed(tmp_path / "a.zip", [(f"{i}.txt", document(i)) for i in range(30)])
  source = Source.of(str(path))
  puts = inputs_of(source)
  assert [p.bytes for p in puts] == [len(document(int(p.part.split("::")[1][:-4]))) for p in puts]
  assert len(streams([(0, 0, source, puts)])) == 1


def table(path, **columns):
  pq.write_table(pa.table(columns), path)
  return str(path)


def repeated(text, count):
  return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([text]))


def test_a_dictionary_that_repeats_one_long_text(tmp_path, gather, quick, monkeypatch):
  """Ten thousand rows of 3.5 MB each would be 35 GB; they are a few kB on disk."""
  monkeypatch.setattr(_reading, "_FREE", 10_000_000)
  path = table(tmp_path / "a.parquet", text=repeated("x word " * 500_000, 10_000))
  tracemalloc.start()
  rows, bad = gather("parquet", path, Reading(max_ratio=1))
  peak = tracemalloc.get_traced_memory()[1] + pa.default_memory_pool().max_memory()
  tracemalloc.stop()
  assert len(rows) == 2 and "far beyond its own size; it was read no further" in bad[0]
  assert peak < 100_000_000


@pytest.mark.parametrize("nest", [lambda a: a, lambda a: pa.StructArray.from_arrays([a], ["b"])])
def test_a_dictionary_that_repeats_one_text_millions_of_times(
  tmp_path, gather, quick, monkeypatch, nest
):
  monkeypatch.setattr(_reading, "_FREE", 1_000_000)
  path = table(tmp_path / "a.parquet", text=nest(repeated("word " * 1000, 200_000)))
  rows, bad = gather("parquet", path, Reading(max_ratio=2))
  assert 190 <= len(rows) <= 200 and len(bad) == 1 and "far beyond its own size" in bad[0]


def test_lists_of_more_values_than_rows(tmp_path, gather, quick, monkeypatch):
  monkeypatch.setattr(_reading, "_FREE", 1_000_000)
  path = table(tmp_path / "a.parquet", x=[[0] * 2_000_000])
  rows, bad = gather("parquet", path)
  assert not rows and len(bad) == 1 and "far beyond its own size" in bad[0]


def test_a_row_above_the_bound_is_told_and_the_others_are_read(tmp_path, gather):
  path = table(tmp_path / "a.parquet", text=["a", "b" * 20_000, "c"], m=[{"n": [1, 2]}] * 3)
  rows, bad = gather("parquet", path, SMALL)
  assert [r["text"] for r in rows] == ["a", "c"] and rows[0]["m"] == {"n": [1, 2]}
  assert (
    len(bad) == 1
    and "a.parquet row 2: the row has 20 kB; at most 10 kB are read (run.max_line)" in bad[0]
  )


def test_values_that_python_does_not_have_are_told_by_row(tmp_path, gather):
  days = pa.array([10**9, 0, -(10**9)], pa.int32()).view(pa.date32())
  times = pa.array([0, 0, 2**62], pa.int64()).view(pa.timestamp("us"))
  path = table(tmp_path / "a.parquet", text=["a", "b", "c"], day=days, time=times)
  rows, bad = gather("parquet", path)
  assert [r["text"] for r in rows] == ["b"] and rows[0]["day"] == datetime.date(1970, 1, 1)
  assert [b.split(": ")[0] for b in bad] == [f"{path} row 1", f"{path} row 3"]


def test_rows_are_the_same_through_dictionaries(tmp_path):
  given = [
    {"text": f"row {i % 3}", "list": [{"a": "b" * i}], "m": {"k": [1, None]}, "n": i} for i in range(50)
  ]
  pq.write_table(pa.Table.from_pylist(given), tmp_path / "a.parquet")
  assert [r.fields for r in read(str(tmp_path / "a.parquet"))] == given
  assert [
    r.fields for r in parquet.records(str(tmp_path / "a.parquet"), how=Reading(max_line=200))
  ] == given


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.parquet"])
def test_a_table_of_too_many_columns_is_told_in_few_words(tmp_path, quick, name):
  path, names = tmp_path / name, [f"column{i}" for i in range(_reading.COLUMNS + 1)]
  row = dict.fromkeys(names, "x")
  if name == "a.parquet":
    pq.write_table(pa.Table.from_pylist([row]), path)
  elif name == "a.csv":
    path.write_text(",".join(names) + "\n" + "a,b\n" * 100)
  else:
    path.write_text(json.dumps([row] if name == "a.json" else row) + "\n")
  examples, bad = collect(str(path))
  assert not examples and len(bad) == 1 and "10,001 columns; at most 10,000 are read" in bad[0]


def test_a_bad_row_of_a_wide_table_names_few_columns(tmp_path, gather):
  names = [f"column{i}" for i in range(1000)]
  (tmp_path / "a.csv").write_text(",".join(names) + "\na,b\n")
  _, bad = gather("csv", tmp_path / "a.csv")
  assert "column19 and 980 more" in bad[0] and len(bad[0]) < 1000


@pytest.mark.parametrize(
  "front",
  [
    "---\na: " + "[" * 40_000 + "]" * 40_000 + "\n---\n",
    "---\na: " + "{a: " * 20_000 + "\n---\n",
    "---\n" + "".join(" " * i + "a:\n" for i in range(400)) + "---\n",
    "+++\n" + ".".join("a" * 45_000) + " = 1\n+++\n",
    "+++\n" + ' . "b"'.join(["a"] * 10_000) + " = 1\n+++\n",
    "+++\n[" + ".".join("a" * 45_000) + "]\n+++\n",
    "+++\na = {" + ".".join("a" * 45_000) + " = 1}\n+++\n",
    "+++\na = " + "[" * 40_000 + "\n+++\n",
    "+++\na = " + "1" * 9000 + "\n+++\n",
    "+++\n" + "a" * 90_000 + "\n+++\n",
    "---\n" + "a: b\n" * 50_000 + "---\n",
  ],
)
def test_front_matter_that_nests_without_end(tmp_path, gather, quick, front):
  (tmp_path / "a.md").write_text(front + "Body.\n")
  found, bad = gather("markdown", tmp_path / "a.md")
  assert not found and len(bad) == 1 and "front matter" in bad[0] and len(bad[0]) < 1000


def test_front_matter_as_people_write_it_is_read(tmp_path, gather):
  front = (
    "+++\ntitle = 'It was. Then. It. Was. Not.'\na.b.c = 1\n[x.y]\nz = [[1], [2]]\n+++\nBody.\n"
  )
  (tmp_path / "a.md").write_text(front)
  assert gather("markdown", tmp_path / "a.md")[0][0]["title"] == "It was. Then. It. Was. Not."


@pytest.mark.parametrize(
  "attributes",
  [" ".join(f"a{i}=1" for i in range(20_000)), "x='>' " + " ".join(f"a{i}" for i in range(20_000)),
   "".join(f'a{i}="1"' for i in range(20_000))],
)  # fmt: skip
def test_an_element_of_too_many_attributes(tmp_path, gather, quick, attributes):
  page = f"<html><body><p {attributes}>{document(0)}</p></body></html>"
  (tmp_path / "a.html").write_text(page)
  found, bad = gather("html", tmp_path / "a.html")
  assert not found and len(bad) == 1 and "more than 10,000 attributes" in bad[0]
  with pytest.raises(ValueError, match="attributes"):
    to_markdown(page)


def test_long_texts_and_data_in_attributes_are_no_bomb():
  check_tags("<p>" + "word " * 100_000 + "</p><a title='" + "word " * 100_000 + "'><b>don't")
  check_tags('<img src="data:' + "A" * 10**6 + '">' + "<" * 10**6)


def test_a_row_that_is_far_too_long_is_dropped_before_it_is_cleaned():
  config = get_config()
  config.quality.max_words = 10
  first = steps(config)[0]
  assert first.name == "length"
  short, long = (Example(text="x" * n, origin=Origin("s", "p", 1)) for n in (500, 501))
  assert first(short, Counter()) is short
  dropped = first(long, Counter())
  assert dropped.reason == "too_long"
  assert dropped.detail == "501 characters, at most 500 (quality.max_words)"
  config.quality.enabled = False
  assert steps(config)[0].name == "text"
