"""A version as training and `datasets` read it: by its own split, and noted in the run."""

import json
import os

import pytest

from ftjax.config import InputError
from ftjax.data.versions import manifest as versions
from ftjax.data.versions import training
from tests.data.prepared import HALF, document, prepare, texts, update, write


def test_training_reads_a_version_by_its_own_split(first, tmp_path, tok):
  from ftjax.data.loader import load

  for spec in (first.folder, tmp_path / "out"):
    data = load({"train": str(spec), "max_length": 2000}, tok)
    assert data.format == "text" and data.versions[0]["version"] == first.hash
    assert len(data.train) == first.manifest["counts"]["train"]
    assert len(data.validation) == first.manifest["counts"]["validation"]
    assert data.train.place(0).startswith(
      f"{tmp_path / 'a.jsonl'}:"
    ) and first.name in data.train.place(0)
  held = load({"train": str(first.folder), "validation_fraction": 0.0, "max_length": 2000}, tok)
  assert len(held.validation) == 0
  test = load(
    {"train": f"{first.folder}:test", "validation_fraction": 0.0, "max_length": 2000}, tok
  )
  assert len(test.train) == first.manifest["counts"]["test"] and not test.versions
  whole = prepare(tmp_path / "a.jsonl", tmp_path / "whole", split__validation=0.0)
  unsplit = load({"train": str(whole.folder), "max_length": 2000}, tok)
  assert (len(unsplit.train), len(unsplit.validation)) == (40, 0), "a version is never split again"
  both = load({"train": f"{first.folder}@0.5, {tmp_path / 'a.jsonl'}@0.5", "max_length": 2000}, tok)
  assert len(both.validation) == first.manifest["counts"]["validation"]


def test_files_are_compared_with_their_digests_once(first, tok, monkeypatch):
  from ftjax import storage
  from ftjax.data.loader import load

  hashed, digest = [], storage.digest
  monkeypatch.setattr(storage, "digest", lambda path: hashed.append(path) or digest(path))
  for _ in range(2):
    load({"train": str(first.folder), "max_length": 64}, tok)
  assert sorted(hashed) == sorted(first.folder / name for name in first.manifest["files"])


def test_preference_pairs_are_no_rows_to_imitate(tmp_path, tok):
  from ftjax.data.loader import load

  pair = lambda i: {"prompt": f"Q {i}?", "chosen": document(i), "rejected": document(i + 100)}
  path = write(tmp_path / "pairs.jsonl", [pair(i) for i in range(8)])
  version = prepare(path, tmp_path / "out", **HALF)
  with pytest.raises(InputError, match="holds preference pairs.*data.format=messages"):
    load({"train": str(version.folder)}, tok)
  data = load({"train": str(version.folder), "format": "messages", "max_length": 2000}, tok)
  assert len(data.train) == version.manifest["counts"]["train"]


def test_datasets_reads_a_version(first):
  datasets = pytest.importorskip("datasets")
  for arguments in (
    {"path": str(first.folder)},
    {"path": "parquet", "data_dir": str(first.folder)},
  ):
    data = datasets.load_dataset(**arguments)
    assert {s: len(d) for s, d in data.items()} == first.manifest["counts"]
    assert data["train"]["text"][:] == texts(first, "train")


def test_a_run_goes_on_with_the_version_it_began_with(first, tmp_path):
  out, run = tmp_path / "out", tmp_path / "run"
  run.mkdir()
  facts = [training.facts(first)]
  training.record(run, facts)
  write(tmp_path / "a.jsonl", [document(500)])
  second = update(tmp_path / "a.jsonl", out, **HALF)
  assert versions.latest(out).hash == second.hash
  assert training.pinned(str(out), run) == str(first.folder)
  assert training.pinned(str(second.folder), run) == str(second.folder)
  (said,) = training.newer(str(out), run)
  assert said.endswith(f"has a newer version: {first.name} then, {second.name} now")
  assert training.newer(str(first.folder), run) == []
  training.check(run, facts)
  with pytest.raises(
    InputError, match=f"trains on version {first.name}, and data.train is {second.name}"
  ):
    training.check(run, [training.facts(second)])
  for damage in (b"", b"[]", b'{"versions": 3}', b"\xff"):
    (run / training.RECORD).write_bytes(damage)
    with pytest.raises(InputError, match="data.json.* cannot be read.*Restore it, or remove it"):
      training.pinned(str(out), run)
  training.record(run, [])
  assert training.pinned(str(out), run) == str(out)


@pytest.mark.slow
def test_a_version_trains_in_one_step(root, tmp_path):
  import subprocess
  import sys

  rows_ = [{"prompt": f"Write of {i}.", "completion": document(i, 2)} for i in range(24)]
  version = prepare(write(tmp_path / "p.jsonl", rows_), tmp_path / "out", split__validation=0.2)
  flags = [
    "--config=configs/sft.py", f"--config.data.train={version.folder}", f"--workdir={tmp_path / 'run'}",
    "--config.model.source=starter", "--config.train.duration=2 steps",
    "--config.train.batch_size=8", "--config.data.max_length=256", "--config.eval.samples=2",
    "--config.eval.max_new_tokens=4", "--config.log.tensorboard=False",
  ]  # fmt: skip
  done = subprocess.run(
    [sys.executable, "scripts/train.py", *flags],
    cwd=root,
    env=os.environ | {"PYTHONPATH": str(root)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr[-3000:]
  assert f"{version.manifest['counts']['train']} to train on" in done.stderr
  assert (
    json.loads((tmp_path / "run" / "data.json").read_text())["versions"][0]["version"]
    == version.hash
  )
  assert (tmp_path / "run" / "best").is_dir()
