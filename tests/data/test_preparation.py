"""Preparing a dataset: one result whatever the workers, chunks and interruptions; near duplicates
on one side; errors that are one message."""

import json
import sys

import pytest

from ftjax.config import InputError
from ftjax.data.curate import gather, settings, stream
from ftjax.data.versions import manifest as versions
from tests.data.prepared import N, document, near, prepare, rows, texts, write


def test_what_is_written(version, source):
  report = json.loads((version.folder / "report.json").read_text())
  assert report["sources"][0] == {
    "name": "docs", "path": str(source), "licence": "", "read": N + 2, "bad": 1, "kept": N,
    "bytes": source.stat().st_size,
  }  # fmt: skip
  assert report["bad"][0]["place"] == f"{source}:{N + 3}"
  assert (report["duplicates"]["near"], report["duplicates"]["exact"]) == (1, 1)
  assert sum(s["rows"] for s in report["splits"].values()) == N
  assert report["splits"]["train"]["tokens"] > report["splits"]["train"]["words"] > 0
  written = rows(version)
  assert {r["split"] for r in written} == {"train", "validation"}
  assert near(document(3)) in [r["text"] for r in written], "of two, the longer stays"
  assert written[0]["path"] == str(source) and written[0]["row"] == 1
  assert {r["id"] for r in written} == {r["cluster"] for r in written} | {r["id"] for r in written}
  for name in ("card.md", "card.html", "README.md", "jsonl/train.jsonl", "manifest.json"):
    assert (version.folder / name).stat().st_size, name
  assert version.check() and versions.latest(version.output).hash == version.hash
  assert not (version.output / "work").exists()


def test_the_same_input_gives_the_same_version_and_nothing_is_written_twice(version, source):
  before = {p: p.stat().st_mtime_ns for p in version.folder.rglob("*")}
  again = prepare(source, version.output, split__validation=0.2)
  assert again.hash == version.hash and not again.new
  assert before == {p: p.stat().st_mtime_ns for p in version.folder.rglob("*")}
  other = prepare(source, version.output, split__validation=0.2, split__seed="other")
  assert other.hash != version.hash
  versions.set_latest(version.output, version)


@pytest.mark.parametrize("limit, most", [(250, 2000), (10**6, 7), (3000, 2000)])
def test_the_size_of_chunks_changes_nothing(version, source, tmp_path, monkeypatch, limit, most):
  monkeypatch.setattr(settings, "chunk_bytes", lambda s: limit)
  monkeypatch.setattr(stream, "_ROWS", most)
  found = []
  load = gather.load
  monkeypatch.setattr(gather, "load", lambda folders: found.extend(folders) or load(folders))
  assert prepare(source, tmp_path, split__validation=0.2).hash == version.hash
  assert len(found) > 5


def test_files_read_together_or_alone_give_the_same(tmp_path, monkeypatch):
  folder = tmp_path / "docs"
  folder.mkdir()
  for i in range(9):
    write(folder / f"{i}.jsonl", [document(10 * i), document(10 * i + 1)])
  together = prepare(folder, tmp_path / "a").hash
  monkeypatch.setattr(stream, "_FILES", 2)
  assert prepare(folder, tmp_path / "b").hash == together
  monkeypatch.setattr(stream, "_SMALL", 10)
  assert prepare(folder, tmp_path / "c").hash == together


@pytest.mark.slow
def test_several_processes_give_the_same(version, source, tmp_path, monkeypatch):
  monkeypatch.setattr(stream, "_ROWS", 10)
  two = prepare(source, tmp_path, split__validation=0.2, run__workers=2)
  assert two.hash == version.hash


def test_without_ray_its_engine_says_what_to_install(source, tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "ray", None)
  with pytest.raises(InputError, match=r"pip install 'ftjax\[ray\]'"):
    prepare(source, tmp_path, run__engine="ray")


def break_off_once(monkeypatch, name, after):
  """Makes chunk.`name` fail at one call, after so many; returns the list of the chunks worked on."""
  from ftjax.data.curate import chunk

  done, calls, work = [], iter(range(10**6)), getattr(chunk, name)

  def once(job, raw):
    if next(calls) == after:
      raise KeyboardInterrupt
    done.append(raw.number)
    return work(job, raw)

  monkeypatch.setattr(chunk, name, once)
  return done


def test_a_run_that_broke_off_goes_on_from_its_chunks(version, source, tmp_path, monkeypatch):
  monkeypatch.setattr(stream, "_ROWS", 10)
  done = break_off_once(monkeypatch, "work", after=3)
  with pytest.raises(KeyboardInterrupt):
    prepare(source, tmp_path, split__validation=0.2)
  assert done == [0, 1, 2] and not (tmp_path / "versions").exists()
  assert prepare(source, tmp_path, split__validation=0.2).hash == version.hash
  assert done == [0, 1, 2, 3, 4, 5, 6], "no chunk is worked on twice"


def test_small_files_that_broke_off_go_on_as_well(tmp_path, monkeypatch):
  """They are read by one worker, chunk by chunk."""
  (tmp_path / "docs").mkdir()
  for i in range(3):
    write(tmp_path / "docs" / f"{i}.jsonl", [document(10 * i + j) for j in range(10)])
  whole = prepare(tmp_path / "docs", tmp_path / "whole").hash
  monkeypatch.setattr(stream, "_ROWS", 7)
  done = break_off_once(monkeypatch, "_through", after=2)
  with pytest.raises(KeyboardInterrupt):
    prepare(tmp_path / "docs", tmp_path / "out")
  assert prepare(tmp_path / "docs", tmp_path / "out").hash == whole
  assert done == [0, 1, 2, 3, 4]


def test_near_duplicates_never_straddle(tmp_path):
  docs = [document(i) for i in range(40)]
  rows_ = [{"prompt": f"Write of {i // 4}.", "completion": d} for i, d in enumerate(docs)]
  found = rows(prepare(write(tmp_path / "p.jsonl", rows_), tmp_path / "out", split__validation=0.4))
  splits = {}
  for row in found:
    splits.setdefault(row["messages"][0]["content"], set()).add(row["split"])
  assert len(found) == 40 and len(splits) == 10
  assert all(len(s) == 1 for s in splits.values()), "rows of one prompt are on one side"
  assert {"train", "validation"} == set().union(*splits.values())


def test_one_prompt_for_all_rows_does_not_put_all_on_one_side(tmp_path):
  rows_ = [{"prompt": "Write an article.", "completion": document(i, 3)} for i in range(130)]
  version = prepare(write(tmp_path / "p.jsonl", rows_), tmp_path / "out", split__validation=0.3)
  assert 20 < version.manifest["counts"]["validation"] < 60
  assert "130 rows share 1 prompt " in " ".join(version.report["warnings"])


def test_a_training_row_like_a_validation_row_goes(tmp_path):
  docs = [document(i) for i in range(20)]
  train = write(tmp_path / "train.jsonl", [*docs, near(docs[3])])
  held = write(tmp_path / "held.jsonl", [docs[3] + " And so on.", document(99)])
  version = prepare(train, tmp_path / "out", validation=str(held), split__validation=0.5)
  assert texts(version, "validation") == [docs[3] + " And so on.", document(99)]
  assert set(texts(version, "train")) == set(docs) - {docs[3]}
  assert version.report["duplicates"]["against_validation"] == 2


def test_a_training_row_with_the_prompt_of_a_validation_row_goes(tmp_path):
  pair = lambda i, seed: {"prompt": f"Write of {i}.", "completion": document(seed)}
  train = write(tmp_path / "train.jsonl", [pair(i, i) for i in range(10)])
  held = write(tmp_path / "held.jsonl", [pair(3, 103), pair(3, 203)])
  version = prepare(train, tmp_path / "out", validation=str(held))
  prompts = lambda split: [r["messages"][0]["content"] for r in rows(version, split)]
  assert prompts("validation") == ["Write of 3."] * 2, "one prompt with two answers is kept"
  assert prompts("train") == [f"Write of {i}." for i in range(10) if i != 3]


def test_caps_and_entries_that_are_mappings(tmp_path):
  a = write(tmp_path / "a.jsonl", [document(i) for i in range(20)])
  b = write(tmp_path / "b.jsonl", [document(i) for i in range(20, 30)])
  entries = [{"path": str(a), "name": "big", "cap": 5, "licence": "CC0-1.0", "weight": 2.0}, str(b)]
  version = prepare(entries, tmp_path / "out")
  found = rows(version)
  assert [sum(r["source"] == s for r in found) for s in ("big", "b")] == [5, 10]
  assert {(r["source"], r["licence"], r["weight"]) for r in found} == {
    ("big", "CC0-1.0", 2.0), ("b", "", 1.0),
  }  # fmt: skip
  assert version.manifest["sources"][0]["entry"]["cap"] == 5
