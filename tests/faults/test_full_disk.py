"""A disk that is full at one moment of a run or another: one message, and after making room the same
bits."""

import os
import subprocess

import pytest

from tests.faults.programs import digests, numbers

MOMENTS = 14


@pytest.fixture
def disk(tmp_path):
  """fn(bytes): a file system in memory of this size at `disk.path`; called again it is resized."""
  path = tmp_path / "disk"
  path.mkdir()
  mounted = []

  def resize(size: int):
    how = (
      ["-o", f"remount,size={size}"] if mounted else ["-t", "tmpfs", "-o", f"size={size}", "tmpfs"]
    )
    done = subprocess.run(["mount", *how, str(path)], capture_output=True, text=True)
    if done.returncode:
      pytest.skip(f"needs the right to mount a file system: {done.stderr.strip()}")
    mounted.append(size)

  resize.path = path
  yield resize
  if mounted:
    subprocess.run(["umount", str(path)], check=True)


@pytest.mark.faults
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_full_disk_is_one_message_and_costs_nothing(programs, flags, whole, disk, moment):
  folder, best, final, expected = whole("full")
  used = sum(p.stat().st_blocks * 512 for p in folder.rglob("*") if p.is_file())
  disk(max(os.sysconf("SC_PAGE_SIZE") * 2, used * moment // MOMENTS))
  run = disk.path / "run"
  command = [*flags, f"--workdir={run}"]
  ended = programs.run("scripts/train.py", command)
  assert ended.well, ended.text
  if ended.status:
    assert "make room and run the same command" in ended.text.lower(), ended.text
  disk(1 << 29)
  ended = programs.run("scripts/train.py", command)
  assert ended.status == 0, ended.text
  assert digests(run / "best") == best and digests(run / "final") == final
  assert numbers(run) == expected
