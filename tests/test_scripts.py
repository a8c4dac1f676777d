"""The scripts as a shell sees them: exit status, one message, nothing lost."""

import os
import signal
import subprocess
import sys
import time

import pytest

from ftjax import cli, ending
from ftjax.log import read
from tests.train import toy

ENV = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "", "HF_HUB_OFFLINE": "1"}


def train(root, *flags, start=False, largest_file_kb=None):
  command = [sys.executable, "scripts/train.py", *map(str, flags)]
  if largest_file_kb:
    command = ["bash", "-c", f'ulimit -f {largest_file_kb}; exec "$0" "$@"', *command]
  kwargs = dict(
    cwd=root, env=os.environ | ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
  )
  if start:
    return subprocess.Popen(command, **kwargs)
  return subprocess.run(command, check=False, **kwargs)


@pytest.fixture(scope="module")
def toy_flags(tmp_path_factory):
  folder = tmp_path_factory.mktemp("toy")
  source, rows = toy.save_model(folder / "model"), toy.write_rows(folder / "rows.jsonl", 60)
  return [
    f"--config.model.source={source}", f"--config.data.train={rows}", "--config.data.max_length=32",
    "--config.train.batch_size=2", "--config.eval.every=never", "--config.log.tensorboard=False",
    "--config.data.validation_fraction=0.2",
  ]  # fmt: skip


BAD_FLAGS = {
  "--config.optim.learning_rat=1": "Did you mean 'learning_rate'",
  "--config.train.batch_size=many": "invalid literal",
  "--config=configs/nothing.py": "cannot read .*nothing.py",
  "--config.zzz=1": "no such config key: zzz",
  "--config.data.fields=prompt=brief": "--config.data.fields is a group of keys. Give each",
  "--workdirr=x": "workdirr.*--help",
}


def test_a_flag_that_is_missing_is_named_with_a_value(root):
  done = train(root, "--config=configs/sft.py")
  assert done.returncode == 2
  assert (
    done.stderr == "error: --workdir is missing. Give --workdir=VALUE; --help lists all flags.\n"
  )


def test_scripts_do_not_speak_of_torch_where_it_is_not_installed(monkeypatch):
  monkeypatch.delenv("TRANSFORMERS_NO_ADVISORY_WARNINGS", raising=False)
  code = (
    "import os, sys; sys.modules['torch'] = None\n"
    "from ftjax import cli\n"
    "def main():\n  import transformers\n"
    "cli.run(main)"
  )
  done = subprocess.run(
    [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ | ENV
  )
  assert done.returncode == 0 and "PyTorch" not in done.stdout + done.stderr


@pytest.mark.parametrize("flag", BAD_FLAGS)
def test_bad_flags_are_one_message_and_status_2(root, tmp_path, flag):
  import re

  done = train(root, f"--workdir={tmp_path / 'run'}", flag)
  assert done.returncode == 2
  assert re.search(BAD_FLAGS[flag], done.stderr), done.stderr
  assert "Traceback" not in done.stderr and done.stderr.startswith("error: ")
  assert not (tmp_path / "run").exists()


def test_bad_input_is_one_message_and_status_2(root, tmp_path, toy_flags):
  rows = tmp_path / "broken.jsonl"
  rows.write_text('{"input_ids": [1, 2], "labels": [1, 2]}\n{"input_ids": [1, 2\n')
  done = train(root, f"--workdir={tmp_path / 'run'}", *toy_flags, f"--config.data.train={rows}")
  assert done.returncode == 2 and "broken.jsonl:2" in done.stderr, done.stderr
  assert "Traceback" not in done.stderr and not (tmp_path / "run").exists()


@pytest.mark.slow
def test_sigterm_saves_and_exits_3_and_the_same_command_goes_on(root, tmp_path, toy_flags):
  flags = [f"--workdir={tmp_path / 'run'}", *toy_flags, "--config.train.duration=4000 steps"]
  running = train(root, *flags, start=True)
  metrics = tmp_path / "run" / "metrics.jsonl"
  deadline = time.monotonic() + 120
  while not any(m["step"] >= 20 for m in read(metrics)):
    assert running.poll() is None and time.monotonic() < deadline, running.communicate()[1]
    time.sleep(0.1)
  second = train(root, *flags)
  assert second.returncode == 2 and "Another process is training in" in second.stderr, second.stderr
  running.send_signal(signal.SIGTERM)
  _, err = running.communicate(timeout=60)
  assert running.returncode == 3, err
  assert "checkpoint saved" in err and "Traceback" not in err
  stopped = max(int(p.name) for p in (tmp_path / "run" / "checkpoints").iterdir())
  again = train(root, *flags, start=True)
  while not (running := [m["step"] for m in read(metrics)]) or running[-1] <= stopped:
    assert again.poll() is None and time.monotonic() < deadline, again.communicate()[1]
    time.sleep(0.1)
  again.send_signal(signal.SIGTERM)
  _, err = again.communicate(timeout=60)
  assert f"Going on from the checkpoint of step {stopped}" in err


@pytest.mark.slow
def test_divergence_exits_4(root, tmp_path, toy_flags):
  bad = ["--config.optim.learning_rate=1e30", "--config.optim.clip=0", "--config.optim.warmup=0"]
  done = train(
    root, f"--workdir={tmp_path / 'run'}", *toy_flags, *bad, "--config.train.duration=20 steps"
  )
  assert done.returncode == 4, done.stderr
  assert "Diverged at step" in done.stderr and "rows.jsonl:" in done.stderr


@pytest.mark.slow
def test_a_disk_that_fills_keeps_the_last_checkpoint(root, tmp_path, toy_flags):
  """Files may grow to 100 kB only: the run's log outgrows that after some checkpoints have been
  written."""
  few = [f"--workdir={tmp_path / 'run'}", *toy_flags, "--config.train.duration=2000 steps"]
  few += ["--config.checkpoint.every=20 steps", "--config.train.log_every=1"]
  done = train(root, *few, largest_file_kb=100)
  assert done.returncode == 2, done.stderr
  assert "disk is full" in done.stderr and "Traceback" not in done.stderr
  whole = lambda: [
    int(p.name) for p in (tmp_path / "run" / "checkpoints").iterdir() if p.name.isdigit()
  ]
  kept = max(whole())
  on = train(root, *few, start=True)
  deadline = time.monotonic() + 120
  while max(whole()) <= kept:
    assert on.poll() is None and time.monotonic() < deadline, on.communicate()[1]
    time.sleep(0.1)
  on.terminate()
  assert f"Going on from the checkpoint of step {kept}." in on.communicate(timeout=60)[1]


@pytest.mark.slow
def test_a_run_is_evaluated_while_it_trains(root, tmp_path, toy_flags):
  run = tmp_path / "run"
  few = ["--config.train.duration=300 steps", "--config.checkpoint.every=50 steps"]
  training = train(root, f"--workdir={run}", *toy_flags, *few, start=True)
  deadline = time.monotonic() + 120
  while not (run / "config.json").is_file():
    assert training.poll() is None and time.monotonic() < deadline, training.communicate()[1]
    time.sleep(0.1)
  flags = [f"--config.source={run}", "--config.follow=True", "--config.poll_seconds=0.2"]
  following = subprocess.run(
    [sys.executable, "scripts/evaluate.py", *flags],
    cwd=root, env=os.environ | ENV, capture_output=True, text=True, check=False, timeout=240,
  )  # fmt: skip
  training.communicate(timeout=60)
  assert training.returncode == 0 and following.returncode == 0, following.stderr
  found = read(run / "evaluation" / "evaluation.jsonl")
  steps = [line["step"] for line in found]
  assert steps == sorted(set(steps)) and len(steps) > 1 and steps[-1] == 300
  assert all(0 < line["loss"] < 20 for line in found)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["importing", "rows", "compiled", "finishing"])
def test_ctrl_c_at_any_moment_is_one_line(root, tmp_path, toy_flags, moment):
  """130 before there is a checkpoint, 3 after; never a traceback or a segmentation fault."""
  run = tmp_path / "run"
  training = train(
    root, f"--workdir={run}", *toy_flags, "--config.train.duration=3 steps", start=True
  )
  begins = {"rows": "format", "compiled": "devices"}
  if moment == "importing":
    time.sleep(0.5)
  elif moment == "finishing":
    deadline = time.monotonic() + 120
    while not (run / "final.unfinished").exists() and not (run / "best").exists():
      assert training.poll() is None and time.monotonic() < deadline
      time.sleep(0.01)
  else:
    while not training.stderr.readline().startswith(begins[moment]):
      assert training.poll() is None
  training.send_signal(signal.SIGINT)
  _, err = training.communicate(timeout=60)
  ended = [line for line in err.splitlines() if line.startswith("error: ")]
  assert "Traceback" not in err and len(ended) == 1 and "SIGINT: stopped" in ended[0], err
  saved = any((run / "checkpoints").glob("[0-9]*"))
  assert training.returncode == (3 if saved else 130), err
  if moment == "finishing":
    assert (
      "step 3 is saved" in err
      and train(root, f"--workdir={run}", *toy_flags, "--config.train.duration=3 steps").returncode
      == 0
    )


@pytest.mark.parametrize("script, flag, key", [
  ("train", "--workdir", "--config.optim.learning_rate=0"),
  ("evaluate", "--config=", "--config.max_new_tokens=128"),
  ("prepare_data", "--update", "--config.run.workers="),
  ("generate", "--max_new_tokens=128", ""),
])  # fmt: skip
def test_help_shows_flags_and_keys_with_their_defaults(root, script, flag, key):
  done = subprocess.run(
    [sys.executable, f"scripts/{script}.py", "--help"], cwd=root, env=os.environ | ENV,
    capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert done.returncode == 0 and not done.stderr
  assert done.stdout.count("\n") > 15 and f"python scripts/{script}.py" in done.stdout
  assert flag in done.stdout and key in done.stdout


@pytest.fixture
def restarts(monkeypatch, tmp_path):
  """fn(what Linux says of huge pages, GLIBC_TUNABLES, the process's command) -> what
  use_huge_pages starts, as (command, GLIBC_TUNABLES); None for nothing."""

  def restarts(pages: str, tunables: str = "", command=("python", "-u", "train.py", "--x=1")):
    started = []
    (tmp_path / "pages").write_text(pages)
    monkeypatch.setattr(cli, "_PAGES", tmp_path / "pages")
    monkeypatch.setattr(sys, "argv", ["train.py", "--x=1"])
    monkeypatch.setattr(sys, "orig_argv", list(command))
    monkeypatch.setenv("GLIBC_TUNABLES", tunables)
    monkeypatch.setattr(
      os, "execv", lambda _, argv: started.append((argv[1:], os.environ["GLIBC_TUNABLES"]))
    )
    cli.use_huge_pages()
    return started[0] if started else None

  yield restarts
  signal.pthread_sigmask(
    signal.SIG_UNBLOCK, ending.SIGNALS
  )  # blocked over to a program that never began


def test_a_script_starts_again_with_huge_pages_where_linux_gives_them_for_the_asking(restarts):
  same, huge = ["-u", "train.py", "--x=1"], "glibc.malloc.hugetlb=1"
  assert restarts("always [madvise] never\n") == (same, huge)
  assert restarts("always [madvise] never\n", "a.b=2") == (same, f"a.b=2:{huge}")
  assert restarts("[always] madvise never\n") is None
  assert restarts("always madvise [never]\n") is None
  assert restarts("always [madvise] never\n", huge) is None  # it has been started again
  assert restarts("always [madvise] never\n", "glibc.malloc.hugetlb=0") is None
  assert restarts("always [madvise] never\n", command=["python", "-m", "pytest"]) is None
