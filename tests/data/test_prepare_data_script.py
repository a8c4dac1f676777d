"""scripts/prepare_data.py as a process: killed, on a full disk, on Ray, and what it prints."""

import os
import signal
import subprocess
import sys
import time

import pytest

from ftjax.config import InputError
from ftjax.data.versions import manifest as versions
from tests.data.prepared import document, prepare, write


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
