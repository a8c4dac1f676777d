"""A preparation's output is a user's folder: only what ftjax made goes from it."""

import os
import shutil
import subprocess
import sys

import pytest

from ftjax import preparation, storage
from ftjax.config import InputError
from ftjax.data.curate import place
from ftjax.data.versions import manifest as versions
from tests.data.prepared import QUIET, document, prepare, write


@pytest.fixture
def docs(tmp_path):
  return write(tmp_path / "docs.jsonl", [document(i) for i in range(8)])


def contents(folder):
  return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def test_a_users_folder_named_work_is_refused_and_kept(docs, tmp_path):
  mine = tmp_path / "mine"
  (mine / "work").mkdir(parents=True)
  (mine / "work" / "thesis.txt").write_text("years of it")
  before = contents(mine)
  with pytest.raises(InputError, match="was not made by ftjax.*move it, or give another output"):
    prepare(docs, mine)
  assert contents(mine) == before


def test_a_link_named_work_is_refused(docs, tmp_path):
  (tmp_path / "elsewhere").mkdir()
  (tmp_path / "mine").mkdir()
  (tmp_path / "mine" / "work").symlink_to(tmp_path / "elsewhere")
  with pytest.raises(InputError, match="was not made by ftjax"):
    prepare(docs, tmp_path / "mine")


@pytest.mark.parametrize("text", ["my newest holiday\n", "x" * 1000])
def test_a_users_file_named_LATEST_is_refused_and_kept(docs, tmp_path, text):
  (tmp_path / "mine").mkdir()
  (tmp_path / "mine" / "LATEST").write_text(text)
  with pytest.raises(InputError, match="names no version of a dataset.*move it"):
    prepare(docs, tmp_path / "mine")
  assert (tmp_path / "mine" / "LATEST").read_text() == text


def test_files_beside_versions_stay(docs, tmp_path):
  mine = tmp_path / "mine"
  (mine / "articles").mkdir(parents=True)
  (mine / "articles" / "a.txt").write_text("A text.")
  (mine / ".lock").write_text("somebody's")
  (mine / ".draft.1.partial").write_text("somebody's")
  version = prepare(docs, mine)
  assert (mine / "articles" / "a.txt").read_text() == "A text."
  assert (mine / ".lock").read_text() == (mine / ".draft.1.partial").read_text() == "somebody's"
  assert {p.name for p in mine.iterdir()} == {
    "articles", ".lock", ".draft.1.partial", "versions", "LATEST",
  }  # fmt: skip
  assert versions.latest(mine).hash == version.hash


def test_what_a_killed_process_left_is_cleaned_by_the_next(docs, tmp_path):
  gone = subprocess.Popen([sys.executable, "-c", ""])
  gone.wait()
  version = prepare(docs, tmp_path / "out")
  out = tmp_path / "out"
  left = [
    out / "versions" / f".{'a' * 16}.{gone.pid}.partial",
    out / "inputs" / f".{'b' * 64}.{gone.pid}.partial",
    out / f".work.{gone.pid}.partial",
    version.folder / f".jsonl.{gone.pid}.partial",
  ]
  for path in left:
    path.mkdir(parents=True)
    (path / "half").write_text("half")
  alive = out / "versions" / f".{'c' * 16}.{os.getppid()}.partial"
  alive.mkdir()
  assert prepare(docs, out).hash == version.hash
  assert not any(path.exists() for path in left) and alive.is_dir()


def test_a_removal_that_is_killed_leaves_nothing_that_is_refused(docs, tmp_path, monkeypatch):
  """The mark may be the first file to go: the folder changes its name before."""

  def killed(path):
    raise KeyboardInterrupt

  place.work(tmp_path / "out", "key").mkdir()
  monkeypatch.setattr(storage, "remove", killed)
  with pytest.raises(KeyboardInterrupt):
    place.remove_work(tmp_path / "out")
  assert not (tmp_path / "out" / "work").exists()


def test_a_replay_keeps_what_somebody_put_into_a_damaged_version(docs, tmp_path):
  version = prepare(docs, tmp_path / "out")
  shutil.copytree(version.folder, tmp_path / "copy")
  (version.folder / "card.md").write_text("damaged")
  (version.folder / "notes.txt").write_text("mine")
  with pytest.raises(InputError, match="holds what ftjax did not write: notes.txt"):
    preparation.replay(tmp_path / "copy", output=tmp_path / "out", said=QUIET())
  (version.folder / "notes.txt").unlink()
  assert preparation.replay(tmp_path / "copy", output=tmp_path / "out", said=QUIET()).check()
