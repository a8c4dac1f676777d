"""Hubs' datasets as sources, and versions as sources of others."""

import sys

import pytest

from ftjax.data.prepare import load
from tests.data.prepared import document, prepare, rows, texts, write
from tests.text.conftest import make

CALLS = (
  "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
  "{% for c in m.tool_calls or [] %}{{ c.function | tojson }}{% endfor %}<|im_end|>\n{% endfor %}"
  "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

PAIRS = [{"prompt": f"Write of {i}.", "completion": document(i)} for i in range(12)]


def answers(version):
  return sorted(r["messages"][-1]["content"] for r in rows(version))


def test_a_dataset_of_hugging_face(tmp_path):
  datasets = pytest.importorskip("datasets")
  datasets.Dataset.from_list(PAIRS).save_to_disk(tmp_path / "hf")
  version = prepare(f"hf:{tmp_path / 'hf'}", tmp_path / "out")
  assert answers(version) == sorted(r["completion"] for r in PAIRS)
  assert version.manifest["sources"][0]["inputs"][0]["path"] == f"hf:{tmp_path / 'hf'}"
  again = prepare(f"hf:{version.folder}:train", tmp_path / "again", split__validation=0.0)
  train = {r["id"]: r["messages"] for r in rows(version, "train")}
  assert {r["id"]: r["messages"] for r in rows(again)} == train


def test_a_dataset_of_tfds(tmp_path):
  tfds = pytest.importorskip("tensorflow_datasets")
  text = tfds.features.Text()

  class FtjaxPairs(tfds.core.GeneratorBasedBuilder):
    __module__ = "ftjax_pairs"
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
      features = tfds.features.FeaturesDict({"prompt": text, "completion": text})
      return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
      return {"train": enumerate(PAIRS)}

    def _generate_examples(self):
      raise NotImplementedError

  FtjaxPairs(data_dir=tmp_path, file_format="array_record").download_and_prepare()
  version = prepare(f"tfds:ftjax_pairs@{tmp_path}", tmp_path / "out")
  assert answers(version) == sorted(r["completion"] for r in PAIRS)
  assert "tensorflow" not in sys.modules


def test_what_is_written_reads_back_as_a_source(tmp_path):
  """Parquet and JSON lines of a version make the same rows again."""
  docs = [document(i) for i in range(12)]
  version = prepare(write(tmp_path / "a.jsonl", docs), tmp_path / "out", split__validation=0.3)
  for name, path in {"jsonl": "jsonl/train.jsonl", "parquet": "data/train-*.parquet"}.items():
    again = prepare(version.folder / path, tmp_path / name, split__validation=0.0)
    assert texts(again) == texts(version, "train")
    assert [r["id"] for r in rows(again)] == [r["id"] for r in rows(version, "train")]


def test_calls_come_through_preparation_whole(tmp_path):
  """They are trained on as those of the file are, also from what is written beside the version; and
  personal data in what a tool is called with is masked."""
  call = lambda i: {
    "id": f"c{i}",
    "type": "function",
    "function": {"name": "f", "arguments": f'{{"n": {i}, "to": "jane.roe@example.org"}}'},
  }
  row = lambda i: {
    "messages": [
      {"role": "user", "content": f"Ask {i}: {document(i)}"},
      {"role": "assistant", "content": None, "tool_calls": [call(i)]},
      {"role": "tool", "tool_call_id": f"c{i}", "content": document(i + 100)},
      {"role": "assistant", "content": document(i + 200)},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "default": None}}}],
  }  # fmt: skip
  source = write(tmp_path / "a.jsonl", [row(i) for i in range(6)])
  version = prepare(source, tmp_path / "out", split__validation=0.0, write__formats="jsonl,openai")
  tok = make(CALLS, eos="<|im_end|>")
  read = lambda path: (
    load({"train": str(path), "validation_fraction": 0.0, "max_length": 9999}, tok).train
  )
  given, ours = read(source), read(version.folder)
  texts = lambda rows: sorted(tok.decode(rows.row(i)[0]) for i in range(len(rows)))
  assert texts(ours) == [t.replace("jane.roe@example.org", "[EMAIL]") for t in texts(given)]
  assert (
    '"arguments": {"n": 3, "to": "[EMAIL]"}' in texts(ours)[3]
    and '"default": null' in texts(ours)[3]
  )
  for name in ("jsonl", "openai"):
    assert texts(read(version.folder / name / "train.jsonl")) == texts(ours)
  again = prepare(
    version.folder / "data" / "train-*.parquet", tmp_path / "again", split__validation=0.0
  )
  assert [r["id"] for r in rows(again)] == [r["id"] for r in rows(version)]


def test_keys_that_only_other_rows_of_a_parquet_file_fill_are_not_there(tmp_path):
  import pyarrow as pa
  import pyarrow.parquet as pq

  call = lambda **arguments: {"function": {"name": "f", "arguments": arguments}}
  chat = lambda call: [
    {"role": "user", "content": "q", "tool_calls": None},
    {"role": "assistant", "content": None, "tool_calls": [call]},
  ]
  table = pa.Table.from_pylist([{"messages": chat(call(a=1))}, {"messages": chat(call(b="x"))}])
  pq.write_table(table, tmp_path / "a.parquet")
  tok = make(CALLS, eos="<|im_end|>")
  data = load({"train": f"{tmp_path}/a.parquet", "validation_fraction": 0.0}, tok).train
  assert [
    tok.decode(data.row(i)[0]).count('"arguments": ' + want)
    for i, want in enumerate(('{"a": 1}', '{"b": "x"}'))
  ] == [1, 1]
