"""Sources: the same rows whatever the file, and one clear message for each way that a file can be
bad."""

import gzip
import json
import re
import shlex
import sys

import pytest

from ftjax import storage
from ftjax.config import InputError
from ftjax.data.collect import sources
from ftjax.data.curate.settings import entries
from ftjax.data.files import expand
from ftjax.data.read import read

ROWS = [
  {"prompt": "a, b", "completion": 'the "first"\nof two lines'},
  {"prompt": "ü", "completion": "\u2028 🐟"},
  {"prompt": "c", "completion": "d"},
]


def fields(records):
  return [r.fields for r in records]


def write_csv(path, delimiter=","):
  import csv

  with open(path, "w", encoding="utf-8-sig", newline="") as f:
    writer = csv.DictWriter(f, ["prompt", "completion"], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(ROWS)


def write_parquet(path):
  import pyarrow
  import pyarrow.parquet

  pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path, row_group_size=2)


LINES = "".join(json.dumps(r) + "\n\n" for r in ROWS)
WRITERS = {
  "a.jsonl": lambda p: p.write_text("\ufeff" + LINES, "utf-8"),
  "a.ndjson": lambda p: p.write_text(LINES),
  "a.jsonl.gz": lambda p: p.write_bytes(gzip.compress(LINES.encode())),
  "a.json": lambda p: p.write_text(json.dumps(ROWS)),
  "b.json": lambda p: p.write_text(json.dumps({"version": 1, "data": ROWS})),
  "c.json": lambda p: p.write_text(LINES),
  "a.csv": write_csv,
  "b.csv": lambda p: write_csv(p, ";"),
  "a.tsv": lambda p: write_csv(p, "\t"),
  "a.parquet": write_parquet,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_the_same_rows(tmp_path, name):
  WRITERS[name](tmp_path / name)
  records = read(str(tmp_path / name))
  assert fields(records) == ROWS
  assert len({r.place for r in records}) == 3 and all(name in r.place for r in records)


def test_a_place_is_the_line_on_which_the_row_begins(tmp_path):
  for name, lines in (("a.jsonl", [1, 3, 5]), ("a.csv", [2, 4, 5])):
    WRITERS[name](tmp_path / name)
    places = [r.place for r in read(str(tmp_path / name))]
    assert places == [f"{tmp_path / name}:{n}" for n in lines]


def test_a_text_file_is_one_document(tmp_path):
  (tmp_path / "a.txt").write_text("One.\n\nTwo.\n")
  (tmp_path / "b.md").write_text("# Three")
  records = read(f"{tmp_path}/a.txt, {tmp_path}/b.md")
  assert fields(records) == [{"text": "One.\n\nTwo.\n"}, {"text": "# Three"}]


def test_globs_commas_and_lists_name_several_files(jsonl, tmp_path):
  a, b = jsonl([{"text": "1"}], "x1.jsonl"), jsonl([{"text": "2"}], "x2.jsonl")
  want = [{"text": "1"}, {"text": "2"}]
  for spec in (f"{tmp_path}/x*.jsonl", f"{a}, {b}", [a, b], (a, b)):
    assert fields(read(spec)) == want


def test_weights_are_shares_of_a_mixture_as_large_as_its_sources(jsonl):
  a = jsonl([{"text": f"a{i}"} for i in range(10)], "a.jsonl")
  b = jsonl([{"text": f"b{i}"} for i in range(30)], "b.jsonl")
  texts = [r["text"] for r in fields(read(f"{a}@0.7, {b}@0.3"))]
  first, second = [t for t in texts if t[0] == "a"], [t for t in texts if t[0] == "b"]
  assert (len(first), len(second)) == (28, 12)
  counts = {first.count(t) for t in first}
  assert len(set(first)) == 10 and counts == {2, 3}  # Each twice, eight of them thrice.
  assert len(set(second)) == 12
  for same in ([(a, 0.7), (b, 0.3)], f"{a}@7,{b}@3"):
    assert [r["text"] for r in fields(read(same))] == texts


@pytest.mark.parametrize(
  ("name", "content", "match"),
  [
    ("a.jsonl", b'{"text": "x"}\n{"text": oops}\n', r"a\.jsonl:2: not valid JSON at column 10"),
    ("a.jsonl", b'{"text": "x"}\n{"text": "cut', r"a\.jsonl:2: not valid JSON at column 10: Untermin"),
    ("a.jsonl", b'{"text": "x"}\n["x"]\n', r"a\.jsonl:2: a row must be a JSON object.*a list"),
    ("a.jsonl", b'{"text": "x"}\n{"text": "\xff"}\n', r"a\.jsonl:2: not UTF-8.*byte 11"),
    ("a.jsonl", b"\n\n", r"a\.jsonl' has no rows"),
    ("a.json", b'[{"a": 1},\n {"a": }]', r"a\.json:2: not valid JSON at column 8"),
    ("a.json", b"[1]", r"a\.json row 1: a row must be an object, but is a int"),
    ("a.json", b'{"a": [], "b": []}', r"a\.json: must be a list of rows.*'a', 'b'"),
    ("a.json", b"7", r"a\.json: must be a list of rows, but is a int"),
    ("a.json", b"[]", r"a\.json' has no rows"),
    ("a.csv", b"a,b\n1,2\n1,2,3\n", r"a\.csv:3: 3 values, but the header names 2 columns \(a, b\)"),
    ("a.csv", b"a,a\n1,2\n", r"a\.csv:1: the first line must name the columns"),
    ("a.csv", b'a,b\n1,"2\n', r"a\.csv:2: not a readable table"),
    ("a.csv", b"", r"a\.csv:1: the first line"),
    ("a.csv", b"a,b\n", r"a\.csv' has no rows"),
    ("a.csv", b"a,b\n\xff,b\n", r"a\.csv:2: not UTF-8"),
    ("a.txt", b"\xff", r"a\.txt: not UTF-8 text .* at byte 1"),
    ("a.parquet", b"no", r"a\.parquet: not a readable Parquet"),
    ("a.jsnl", b"{}", r"no source reads '\.jsnl' files.*hf:NAME.*Did you mean '\.jsonl'"),
  ],
)  # fmt: skip
def test_a_bad_file_is_an_error_that_names_the_place(tmp_path, name, content, match):
  (tmp_path / name).write_bytes(content)
  with pytest.raises(InputError, match=match):
    read(str(tmp_path / name))


@pytest.mark.parametrize(
  ("spec", "match"),
  [
    ("", "data.train is empty"),
    ([], "data.train is empty"),
    ("/no/such.jsonl", "No file at '/no/such.jsonl'"),
    ("{}@0.5, {}", "give every source a weight above 0"),
    ("{}@0, {}@1", "give every source a weight above 0"),
    ([("{}", 1, 2)], r"must be a path or a \(path, weight\) pair"),
    ("hf:", "'hf:' is not understood"),
    ("tfds:a@b@c", "'tfds:a@b@c' is not understood"),
  ],
)
def test_a_bad_spec_is_an_error(jsonl, spec, match):
  path = jsonl([{"text": "x"}])
  with pytest.raises(InputError, match=match):
    read(spec.replace("{}", path) if isinstance(spec, str) else spec)


def test_hf_reads_a_folder_by_split_and_slice(tmp_path, monkeypatch, jsonl):
  datasets = pytest.importorskip("datasets")
  monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
  folder = tmp_path / "folder"
  folder.mkdir()
  for split in ("train", "test"):
    (folder / f"{split}.jsonl").write_text(
      "".join(json.dumps({"text": f"{split}{i}"}) + "\n" for i in range(3))
    )
  assert [r["text"] for r in fields(read(f"hf:{folder}"))] == ["train0", "train1", "train2"]
  assert [r["text"] for r in fields(read(f"hf:{folder}:test[:2]"))] == ["test0", "test1"]
  with pytest.raises(InputError, match="'hf:.*folder:dev' cannot be loaded"):
    read(f"hf:{folder}:dev")
  with pytest.raises(InputError, match="'hf:no/such' cannot be loaded.*with no network"):
    read("hf:no/such")


def test_hf_reads_what_save_to_disk_wrote(tmp_path):
  datasets = pytest.importorskip("datasets")
  data = datasets.Dataset.from_list(ROWS)
  data.save_to_disk(tmp_path / "one")
  datasets.DatasetDict({"a": data, "b": data.select([2])}).save_to_disk(tmp_path / "two")
  assert fields(read(f"hf:{tmp_path}/one")) == ROWS
  assert fields(read(f"hf:{tmp_path}/two:b")) == ROWS[2:]
  with pytest.raises(InputError, match="has the splits a, b: name one"):
    read(f"hf:{tmp_path}/two")


def test_tfds_reads_what_it_prepared_without_tensorflow(tmp_path):
  tfds = pytest.importorskip("tensorflow_datasets")
  text = tfds.features.Text()

  class FtjaxCopy(tfds.core.GeneratorBasedBuilder):
    __module__ = (
      "ftjax_copy"  # In a package, tfds asks for importlib_resources, which it does not install.
    )
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
      features = tfds.features.FeaturesDict({"prompt": text, "completion": text})
      return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
      return {"train": self._generate_examples()}

    def _generate_examples(self):
      yield from enumerate(ROWS)

  FtjaxCopy(data_dir=tmp_path, file_format="array_record").download_and_prepare()
  assert "tensorflow" not in sys.modules
  want = sorted(
    r["completion"].encode() for r in ROWS
  )  # It shuffles as it writes, and text comes as bytes.
  for spec in (
    f"ftjax_copy@{tmp_path}",
    f"ftjax_copy:1.0.0@{tmp_path}:train",
    f"{tmp_path}/ftjax_copy/1.0.0",
  ):
    assert sorted(r["completion"] for r in fields(read(f"tfds:{spec}"))) == want
  assert len(read(f"tfds:ftjax_copy@{tmp_path}:train[:2]")) == 2
  with pytest.raises(InputError, match="'tfds:ftjax_copy@.*:dev' cannot be loaded: Unknown split"):
    read(f"tfds:ftjax_copy@{tmp_path}:dev")
  with pytest.raises(InputError, match="'tfds:no_such_thing' cannot be loaded.*array_record"):
    read("tfds:no_such_thing")


def test_training_reads_documents_of_other_kinds(tmp_path):
  (tmp_path / "a.md").write_text("---\ntitle: T\n---\n# Three\n")
  (tmp_path / "b.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nFour.\n")
  (tmp_path / "c.txt").write_text("Ada: Five.\n")
  spec = f"{tmp_path}/a.md, {tmp_path}/b.vtt, transcript:{tmp_path}/c.txt"
  assert [r["text"] for r in fields(read(spec))] == ["# Three\n", "Four.", "Ada: Five."]


def test_a_path_that_is_there_wins_over_its_reading_as_list_or_glob(jsonl, tmp_path):
  names = ["a,b.jsonl", "[1] c.jsonl", "d*, e?.jsonl", "f@2.jsonl", "x,y,z.jsonl"]
  whole = lambda spec: [r.fields["text"] for r in read(spec)]
  for i, name in enumerate(names):
    assert whole(jsonl([{"text": f"row {i}"}], name)) == [f"row {i}"]
  listed = f"{tmp_path}/a,b.jsonl, {tmp_path}/d*, e?.jsonl,{tmp_path}/x,y,z.jsonl"
  assert whole(listed) == ["row 0", "row 2", "row 4"]
  assert whole(f"{tmp_path}/a,b.jsonl@1,{tmp_path}/[1] c.jsonl@1") == ["row 0", "row 1"]
  (tmp_path / "x,y,z.jsonl").rename(tmp_path / "x,y,z.jsonl@2")
  with pytest.raises(InputError, match="no source reads"):
    whole(f"{tmp_path}/x,y,z.jsonl@2")


def test_the_same_names_as_sources(jsonl, tmp_path):
  for name in ("a,b.jsonl", "[c].jsonl"):
    jsonl([{"text": name}], name)
  spec = f"{tmp_path}/a,b.jsonl,{tmp_path}/[c].jsonl"
  assert [s.parts() for s in sources(spec)] == [
    [f"{tmp_path}/a,b.jsonl"],
    [f"{tmp_path}/[c].jsonl"],
  ]
  assert entries(spec, "sources") == [f"{tmp_path}/a,b.jsonl", f"{tmp_path}/[c].jsonl"]


def test_a_folder_of_raw_files_is_to_be_prepared_first(jsonl, tmp_path):
  (tmp_path / "raw texts").mkdir()
  (tmp_path / "raw texts" / "a.txt").write_text("A text.")
  with pytest.raises(InputError, match="Prepare it first:") as e:
    read(f"{tmp_path}/raw texts", "data.validation")
  told = str(e.value)
  command = shlex.split(told.split("\n")[1])
  assert command[2:] == [f"--config.sources={tmp_path}/raw texts", "--config.output=prepared"]
  assert "data.validation=prepared" in told and "as they are" not in told
  jsonl([{"text": "row"}], "raw texts/b.jsonl")
  with pytest.raises(InputError, match=r"as they are: data.train='(.*)'") as e:
    read(f"{tmp_path}/raw texts")
  assert len(read(re.search("as they are: data.train='(.*)'", str(e.value))[1])) == 1


@pytest.mark.parametrize(
  ("path", "library", "match"),
  [
    ("gs://bucket/a.jsonl", "gcsfs", r"gs://bucket/a.jsonl: gs:// needs gcsfs.*pip install 'ftjax\[gcs\]'"),
    ("s3://bucket/*.jsonl", "s3fs", r"needs s3fs.*pip install 'ftjax\[s3\]'"),
    ("nowhere://a.jsonl", "", "nowhere:// cannot be read"),
  ],
)  # fmt: skip
def test_a_store_whose_library_is_missing(monkeypatch, path, library, match):
  if library:
    monkeypatch.setitem(sys.modules, library, None)
  with pytest.raises(InputError, match=match):
    read(path)
  with pytest.raises(InputError, match=match):
    storage.open_file(path)
  with pytest.raises(InputError, match=match):
    expand(path)
