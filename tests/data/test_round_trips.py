"""Hubs' datasets as sources, and versions as sources of others."""

import sys

import pytest

from tests.data.prepared import document, prepare, rows, texts, write

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
