"""Preparing a dataset: one result whatever the workers, chunks and interruptions; near duplicates
on one side; errors that are one message."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from ftjax import preparation
from ftjax.config import InputError
from ftjax.data.curate import commands, excerpt, gather, settings, stream
from ftjax.data.example import Example
from ftjax.data.versions import manifest as versions
from tests.data.prepared import document, near, prepare, rows, texts, write

N = 60


@pytest.fixture(scope="module")
def source(tmp_path_factory):
  """60 documents, a near and an exact duplicate among them, and a line that is no JSON."""
  folder = tmp_path_factory.mktemp("source")
  docs = [document(i) for i in range(N)]
  path = write(folder / "docs.jsonl", [*docs, near(docs[3]), docs[5].upper()])
  with open(path, "a", encoding="utf-8") as f:
    f.write('{"text": \n')
  return path


@pytest.fixture(scope="module")
def version(source, tmp_path_factory):
  return prepare(source, tmp_path_factory.mktemp("out"), split__validation=0.2)


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


@pytest.mark.slow
def test_two_ray_workers_give_the_same(version, source, tmp_path, root):
  """In a process of its own: Ray's workers import ftjax anew, and it warns in ways of its own."""
  pytest.importorskip("ray", reason="needs Ray: pip install 'ftjax[ray]'")
  flags = ["--config.run.engine=ray", "--config.run.workers=2", "--config.split.validation=0.2"]
  status, _, err = run(
    root,
    f"--config.sources={source}",
    f"--config.output={tmp_path}",
    "--config.run.memory=1MB",
    *flags,
  )
  assert status == 0, err
  assert versions.latest(tmp_path).hash == version.hash


def test_without_ray_its_engine_says_what_to_install(source, tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "ray", None)
  with pytest.raises(InputError, match=r"pip install 'ftjax\[ray\]'"):
    prepare(source, tmp_path, run__engine="ray")


def test_a_run_that_broke_off_goes_on_from_its_chunks(version, source, tmp_path, monkeypatch):
  from ftjax.data.curate import chunk

  monkeypatch.setattr(stream, "_ROWS", 10)
  done, work = [], chunk.work

  def dies(job, raw):
    if len(done) == 3:
      raise KeyboardInterrupt
    done.append(raw.number)
    return work(job, raw)

  monkeypatch.setattr(chunk, "work", dies)
  with pytest.raises(KeyboardInterrupt):
    prepare(source, tmp_path, split__validation=0.2)
  assert done == [0, 1, 2] and not (tmp_path / "versions").exists()
  monkeypatch.setattr(chunk, "work", lambda job, raw: done.append(raw.number) or work(job, raw))
  assert prepare(source, tmp_path, split__validation=0.2).hash == version.hash
  assert done == [0, 1, 2, 3, 4, 5, 6], "no chunk is worked on twice"


def test_small_files_that_broke_off_go_on_as_well(tmp_path, monkeypatch):
  """They are read by one worker, chunk by chunk."""
  from ftjax.data.curate import chunk

  (tmp_path / "docs").mkdir()
  for i in range(3):
    write(tmp_path / "docs" / f"{i}.jsonl", [document(10 * i + j) for j in range(10)])
  whole = prepare(tmp_path / "docs", tmp_path / "whole").hash
  monkeypatch.setattr(stream, "_ROWS", 7)
  done, through = [], chunk._through

  def dies(job, raw):
    if len(done) == 2:
      raise KeyboardInterrupt
    done.append(raw.number)
    return through(job, raw)

  monkeypatch.setattr(chunk, "_through", dies)
  with pytest.raises(KeyboardInterrupt):
    prepare(tmp_path / "docs", tmp_path / "out")
  monkeypatch.setattr(chunk, "_through", lambda j, raw: done.append(raw.number) or through(j, raw))
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


def test_sources_of_two_kinds_are_refused(tmp_path):
  a = write(tmp_path / "a.jsonl", [document(1)])
  b = write(tmp_path / "b.jsonl", [{"prompt": "Say.", "completion": document(2)}])
  with pytest.raises(InputError, match=r"a.jsonl.* is text; .*b.jsonl.* is messages.*rows: title"):
    prepare([str(a), str(b)], tmp_path / "out")
  assert not (tmp_path / "out" / "versions").exists()


def test_sources_of_two_kinds_are_refused_before_the_rest_is_read(tmp_path):
  kinds = [{"text": document(1)}, {"prompt": "Say.", "completion": document(2)}]
  paths = [write(tmp_path / f"{i}.jsonl", [kinds[i == 1]]) for i in range(3)]
  with pytest.raises(InputError, match="disagree"):
    prepare([str(p) for p in paths], tmp_path / "out")
  assert not list((tmp_path / "out" / "work").glob("*/000003*"))


@pytest.mark.parametrize("name", ["alpaca", "openai"])
def test_a_format_that_cannot_say_documents_is_refused_at_once(source, tmp_path, name):
  with pytest.raises(InputError, match=f"docs.jsonl:1: a document .*{name} "):
    prepare(source, tmp_path / "out", write__formats=name)
  assert not list((tmp_path / "out" / "work").glob("*/0*"))


def test_one_row_that_a_format_cannot_say_leaves_the_format_out(tmp_path):
  """Known only at the end of hours of work: the version stands, and the row is named."""
  say = lambda *turns: {
    "messages": [dict(zip(("role", "content", "weight"), t, strict=False)) for t in turns]
  }
  good = [say(("user", f"Say {i}."), ("assistant", document(i))) for i in range(3)]
  odd = say(("user", "a"), ("assistant", "No.", 0), ("user", "b"), ("assistant", document(9), 1))
  path = write(tmp_path / "m.jsonl", [*good, odd])
  version = prepare(path, tmp_path / "out", write__formats="alpaca,openai", split__validation=0)
  told = [w for w in version.report["warnings"] if "alpaca was not written" in w]
  assert len(told) == 1 and f"{path}:4: " in told[0]
  assert not (version.folder / "alpaca").exists() and version.check()
  assert len((version.folder / "openai" / "train.jsonl").read_text().splitlines()) == 4
  assert "was not written" in (version.folder / "card.html").read_text("utf-8")
  again = prepare(path, tmp_path / "out", write__formats="alpaca,openai", split__validation=0)
  assert again.hash == version.hash and again.check(), "the same command ends as well as before"
  assert not (version.folder / "alpaca").exists()


def test_a_source_that_gave_nothing_is_a_warning(tmp_path):
  good = write(tmp_path / "good.jsonl", [document(i) for i in range(3)])
  (tmp_path / "broken.jsonl").write_text("{\n{\n")
  version = prepare([str(good), str(tmp_path / "broken.jsonl")], tmp_path / "out")
  told = " ".join(version.report["warnings"])
  assert (
    "Nothing could be read of the source broken" in told and "broken.jsonl:1: not valid" in told
  )
  assert "source good" not in told
  lines = commands.bad_lines(version.report | {"bad": version.report["bad"] * 3})
  assert len(lines) == 3 and lines[0].startswith("bad ") and "broken.jsonl:1" in lines[0]
  many = version.report | {"sources": [{"bad": 9}]}
  assert commands.bad_lines(many)[-1].strip() == "and 7 more: see the card"
  assert commands.bad_lines(many | {"sources": [{"bad": 0}], "bad": []}) == []


def test_a_change_far_into_a_text_is_shown():
  text = "word " * 9000
  found = excerpt.pair(Example(text + "x y."), Example(text + "z y."))
  assert found["before"].endswith("word x y.") and found["after"].endswith("word z y.")
  assert len(found["before"]) <= 300


def test_the_rows_that_are_shown_are_not_the_first_ones(tmp_path):
  path = write(tmp_path / "many.jsonl", [document(i) for i in range(40)])
  shown = lambda v: [s["place"] for s in v.report["samples"]]
  version = prepare(path, tmp_path / "out", split__validation=0)
  rows_ = [int(place.rpartition(":")[2]) for place in shown(version)]
  assert len(rows_) == 4 and rows_ == sorted(rows_) and rows_ != [1, 2, 3, 4]


def test_exact_pairs_fill_the_room_that_near_ones_leave(tmp_path):
  docs = [document(i) for i in range(8)]
  path = write(tmp_path / "twice.jsonl", [*docs, *(d.upper() for d in docs), near(docs[0])])
  version = prepare(path, tmp_path / "out", card__examples=6)
  pairs = version.report["duplicates"]["examples"]
  assert len(pairs) == 6 and sum(p["similarity"] < 1 for p in pairs) == 2


def test_nothing_left_says_what_left_it_out(tmp_path):
  (tmp_path / "bad.jsonl").write_text("{\n")
  path = write(tmp_path / "short.jsonl", ["One.", "Two."])
  with pytest.raises(InputError, match=r"quality dropped 2.*bad.jsonl:1: not valid JSON"):
    prepare([str(path), str(tmp_path / "bad.jsonl")], tmp_path / "out2")
  with pytest.raises(InputError, match=r"No row is left: 2 were read.*quality"):
    prepare(path, tmp_path / "out")


def test_a_split_without_rows_is_a_warning(tmp_path):
  version = prepare(write(tmp_path / "one.jsonl", [document(1)]), tmp_path / "out")
  assert "No row fell to validation" in " ".join(version.report["warnings"])


BAD = {
  "split__validation": (1.5, "split.validation=1.5"),
  "run__memory": ("lots", "run.memory='lots' is not a size"),
  "write__formats": ("jsonl,alpacca", "Did you mean 'alpaca'"),
  "run__engine": ("locall", "Did you mean 'local'"),
  "output": ("", "output is empty"),
  "card__tokenizer": ("/nowhere", "card.tokenizer='/nowhere' is neither a folder"),
  "sources": ("nowhere/*.jsonl", "nowhere"),
}


@pytest.mark.parametrize("key", BAD)
def test_bad_settings_are_one_message(source, tmp_path, key):
  value, message = BAD[key]
  with pytest.raises(InputError, match=message):
    prepare(**{"sources": source, "output": tmp_path / "out", key: value})


def test_a_misspelt_key_of_a_mapping_is_named(tmp_path):
  with pytest.raises(InputError, match=r"dedup.treshold does not exist. Did you mean 'threshold'"):
    preparation.prepare({"sources": "a", "output": str(tmp_path), "dedup": {"treshold": 0.7}})


def test_the_hidden_key_is_kept_nowhere(tmp_path):
  path = write(tmp_path / "a.jsonl", [document(i) + " Write to ann@example.org." for i in range(9)])
  version = prepare(path, tmp_path / "out", pii__email="hash", pii__key="pepper-and-salt")
  assert "[EMAIL:" in texts(version)[0]
  for file in version.output.rglob("*"):
    assert file.is_dir() or b"pepper" not in file.read_bytes(), file
    assert file.is_dir() or file.suffix != ".json" or b"ann@" not in file.read_bytes(), file


def script(root, *flags):
  command = [sys.executable, "scripts/prepare_data.py", *map(str, flags)]
  pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
  return subprocess.Popen(command, cwd=root, env=environment(root), **pipes)


def environment(root):
  return os.environ | {"PYTHONPATH": str(root)}


def run(root, *flags):
  process = script(root, *flags)
  out, err = process.communicate(timeout=120)
  return process.returncode, out, err


@pytest.fixture(scope="module")
def many(tmp_path_factory):
  """(600 documents, the version that they make)."""
  folder = tmp_path_factory.mktemp("many")
  path = write(folder / "docs.jsonl", [document(i, 20) for i in range(600)])
  return path, prepare(path, folder / "whole").name


@pytest.mark.slow
@pytest.mark.parametrize(
  "number, status", [(signal.SIGKILL, -9), (signal.SIGTERM, 3), (signal.SIGINT, 3)]
)
def test_killed_midway_and_run_again(root, tmp_path, many, number, status):
  """Whatever ends it, nothing is visible, and the same command finishes with the same hash."""
  out = tmp_path / "out"
  flags = [f"--config.sources={many[0]}", "--config.run.memory=1MB", "--config.run.workers=2"]
  flags.append(f"--config.output={out}")
  process = script(root, *flags)
  deadline = time.monotonic() + 60
  while not list(out.glob("work/*/0*-*/stats.json")):
    assert process.poll() is None and time.monotonic() < deadline, process.communicate()
    time.sleep(0.01)
  process.send_signal(number)
  _, err = process.communicate(timeout=30)
  assert process.returncode == status, err
  assert status != 3 or (err.count("\n") == 1 and "goes on from the finished chunks" in err), err
  assert not (out / "versions").exists() and not (out / "LATEST").exists()
  status, _, err = run(root, *flags)
  assert status == 0 and "Going on from" in err, err
  assert os.listdir(out / "versions") == [many[1]]


@pytest.mark.slow
def test_a_full_disk_is_one_message_and_leaves_what_was_there(root, tmp_path):
  """Files may grow to 60 kB only, and the second source outgrows that."""
  first = write(tmp_path / "few.jsonl", [document(i) for i in range(5)])
  flags = [f"--config.output={tmp_path / 'out'}", "--config.run.workers=1"]
  assert run(root, f"--config.sources={first}", *flags)[0] == 0
  many = write(tmp_path / "many.jsonl", [document(i, 30) for i in range(200)])
  command = f'ulimit -f 60; exec {sys.executable} scripts/prepare_data.py "$@"'
  done = subprocess.run(
    ["bash", "-c", command, "_", f"--config.sources={many}", *flags],
    cwd=root, env=environment(root), capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert done.returncode == 2 and "disk is full" in done.stderr, done.stderr
  assert "Traceback" not in done.stderr and done.stderr.count("\n") == 1
  assert len(versions.names(tmp_path / "out")) == 1
  versions.latest(tmp_path / "out").check()


@pytest.mark.slow
def test_the_script_prints_a_summary_and_the_next_command(root, tmp_path):
  a, b = (write(tmp_path / f"{n}.jsonl", [document(10 * n + i) for i in range(9)]) for n in (1, 2))
  status, out, err = run(
    root,
    f"--config.sources={a},{b}",
    f"--config.output={tmp_path / 'out'}",
    "--config.run.workers=1",
  )
  assert status == 0, err
  version = versions.latest(tmp_path / "out")
  assert f"--config.data.train={version.folder}" in out and "card.html" in out
  status, out, _ = run(root, "--list", f"--config.output={tmp_path / 'out'}")
  assert status == 0 and version.name in out
  for flags, message in {
    (
      "--config.dedup.treshold=1",
    ): "no such config key: treshold does not exist. Did you mean 'threshold'",
    ("--config.sources=/nowhere.jsonl", f"--config.output={tmp_path / 'o'}"): "/nowhere.jsonl",
    ("--prune",): "--prune goes with --update",
    ("--diff", "abcd", "efgh", f"--config.output={tmp_path / 'out'}"): "'abcd' names no version",
  }.items():
    status, _, err = run(root, *flags)
    assert status == 2 and message in err and "Traceback" not in err, err
    assert err.startswith("error: ")


def test_lists_and_mappings_in_a_config_file_and_text_on_the_command_line(tmp_path):
  """ml_collections keeps a field's type; `sources` takes all three."""
  from ml_collections import ConfigDict

  from ftjax.data.curate.settings import plain
  from ftjax.data.defaults import get_config

  c = get_config()
  for value in ("a.jsonl, b.jsonl", ["a.jsonl", "b.jsonl"], ("a.jsonl", "b.jsonl")):
    c.sources = value
    assert plain(ConfigDict(c).lock())["sources"] == ["a.jsonl", "b.jsonl"]
  c.sources = [{"path": "a.jsonl", "fields": {"prompt": "q"}}, "b.jsonl"]
  assert plain(c)["sources"][0] == {"path": "a.jsonl", "fields": {"prompt": "q"}}
  c.sources = {"path": "a.jsonl"}
  assert plain(c)["sources"] == [{"path": "a.jsonl"}]
  with pytest.raises(InputError, match="sources=7 must be a path"):
    plain({"sources": 7})


def test_what_a_worker_imports_is_light(root):
  program = (
    "import sys, ftjax.data.curate.chunk, ftjax.data.curate.engines.local, ftjax.preparation\n"
    "heavy = {'jax', 'transformers', 'datasets', 'pyarrow', 'trafilatura'} & sys.modules.keys()\n"
    "assert not heavy, heavy"
  )
  done = subprocess.run(
    [sys.executable, "-c", program], capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr
