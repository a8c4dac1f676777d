"""Whose a run's folder is: nothing is trained here."""

import json
import os
import subprocess
import sys

import pytest

from ftjax.config import InputError
from ftjax.train import run_folder
from tests.train import toy

FOUND = {"training rows": {"digest": "00", "rows": 1}}


@pytest.fixture
def config(tmp_path):
  return toy.run_config(tmp_path / "model", tmp_path / "rows.jsonl")


def changed(config, **changes):
  other = config.copy_and_resolve_references()
  with other.unlocked():
    other.update_from_flattened_dict(changes)
  return other


def test_a_folder_belongs_to_a_config_from_the_first_update_on(tmp_path, config):
  """What was refused or stopped before may be mended in the same folder."""
  run, other = tmp_path / "run", changed(config, **{"optim.warmup": "1 step"})
  assert not run_folder.begun(run, config) and not run.exists()
  with run_folder.held(run):
    run_folder.claim(run, config, FOUND)
  (run / "metrics.jsonl").write_text('{"step": 0, "validation/loss": 3.0}\n')
  assert not run_folder.begun(run, config) and not run_folder.begun(run, other)
  run_folder.claim(run, other, FOUND)
  assert run_folder.read(run)["optim.warmup"] == "1 step"
  signs = {
    "an update": lambda: (run / "metrics.jsonl").write_text('{"step": 1, "train/loss": 3.0}\n'),
    "a checkpoint": lambda: (run / "checkpoints" / "5").mkdir(parents=True),
    "a model": lambda: (run / "best").mkdir(),
  }
  for what, make in signs.items():
    for left in ("metrics.jsonl", "checkpoints"):
      run_folder.storage.remove(run / left)
    make()
    assert run_folder.begun(run, other), what
    with pytest.raises(
      InputError, match=r"optim.warmup: 2 steps in this config, 1 step in .*config"
    ):
      run_folder.begun(run, config)
  assert run_folder.saved(run) == []


def test_models_that_a_dead_process_left_half_written_go(tmp_path, config):
  gone = subprocess.Popen([sys.executable, "-c", ""])
  gone.wait()
  names = [f".best.{gone.pid}.partial", f".final.unfinished.{gone.pid}.partial"]
  kept = [f".best.{os.getppid()}.partial", f".mine.{gone.pid}.partial"]
  for name in (*names, *kept):
    (tmp_path / name).mkdir()
  run_folder.claim(tmp_path, config, FOUND)
  assert {p.name for p in tmp_path.glob(".*.partial")} == set(kept)


def test_a_folder_that_was_only_held_is_gone_again(tmp_path, config):
  with pytest.raises(ZeroDivisionError), run_folder.held(tmp_path / "a" / "run"):
    with pytest.raises(InputError, match="Another process is training"):
      with run_folder.held(tmp_path / "a" / "run"):
        pass
    assert (tmp_path / "a" / "run").is_dir()
    raise ZeroDivisionError
  assert not (tmp_path / "a" / "run").exists()
  with run_folder.held(tmp_path / "b"):
    run_folder.claim(tmp_path / "b", config, FOUND)
  assert (tmp_path / "b" / "config.json").is_file()


def test_what_a_killed_process_left_is_nobodys(tmp_path, config):
  (tmp_path / ".lock").touch()
  (tmp_path / ".config.json.77.partial").touch()
  assert not run_folder.begun(tmp_path, config)


def test_a_folder_of_something_else_is_never_claimed(tmp_path, config):
  (tmp_path / "thesis").mkdir()
  (tmp_path / "thesis" / "chapter.txt").write_text("mine")
  (tmp_path / "file").write_text("mine")
  (tmp_path / "gpt").mkdir()
  (tmp_path / "gpt" / "config.json").write_text('{"model_type": "gpt2"}')
  for name in ("thesis", "file", "gpt"):
    with pytest.raises(InputError, match="is not a run of ftjax. Give another --workdir"):
      run_folder.begun(tmp_path / name, config)


@pytest.mark.parametrize(
  "damage", [b"", b'{"model.so', b"[1]", b'"text"', b"\xff\xfe\x00", b"null", b"[" * 20_000]
)
def test_a_damaged_config_is_named_with_the_mend(tmp_path, config, damage):
  (tmp_path / "config.json").write_bytes(damage)
  for read in (lambda: run_folder.read(tmp_path), lambda: run_folder.begun(tmp_path, config)):
    with pytest.raises(InputError, match=r"config.json (cannot be read|holds a).*Restore it"):
      read()


def test_a_config_goes_through_json(tmp_path, config):
  run_folder.claim(tmp_path, config, FOUND)
  assert run_folder.read(tmp_path) == json.loads(json.dumps(run_folder.flat(config)))
