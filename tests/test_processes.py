"""Runs of several processes, each with devices of its own, over loopback: what one process does they
do together, and what happens to one of them happens to all."""

import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

from ftjax.finetuning import finetune
from ftjax.log import read
from tests.train import toy

MESH = {"mesh.fsdp": 4, "mesh.data": 2}


class Hosts:
  """`count` processes of one run of scripts/train.py, with eight devices together."""

  def __init__(self, root, logs, count: int, flags: list[str], apart: dict[int, str] | None = None):
    with socket.socket() as free:
      free.bind(("127.0.0.1", 0))
      address = f"127.0.0.1:{free.getsockname()[1]}"
    optimize = " ".join(x for x in os.environ["XLA_FLAGS"].split() if "device_count" not in x)
    devices = f"--xla_force_host_platform_device_count={8 // count} {optimize}"
    tunables = "glibc.malloc.hugetlb=0"  # no second start, whose process would be another one
    env = os.environ | {
      "XLA_FLAGS": devices, "GLIBC_TUNABLES": tunables, "PYTHONPATH": str(root)
    }  # fmt: skip
    self.logs = [logs / f"{time.monotonic_ns()}.{i}" for i in range(count)]
    self.processes = []
    for i, log in enumerate(self.logs):
      command = [sys.executable, "scripts/train.py", *flags]
      if count > 1:
        command += [f"--coordinator={address}", f"--processes={count}", f"--process={i}"]
      command += [apart[i]] if apart and i in apart else []
      with open(log, "wb") as file:
        start = subprocess.Popen(command, cwd=root, env=env, stdout=file, stderr=file)
      self.processes.append(start)

  def statuses(self, seconds: float = 240) -> list[int]:
    """How they ended."""
    try:
      return [p.wait(timeout=seconds) for p in self.processes]
    finally:
      for p in self.processes:
        p.kill()

  def text(self, i: int) -> str:
    """What process i has printed."""
    return self.logs[i].read_text(errors="replace")

  def after_step(self, workdir, step: int) -> None:
    """Returns when the run has logged this update."""
    deadline = time.monotonic() + 240
    while not any(m["step"] >= step for m in read(workdir / "metrics.jsonl")):
      alive = all(p.poll() is None for p in self.processes)
      assert alive and time.monotonic() < deadline, [self.text(i) for i in range(len(self.logs))]
      time.sleep(0.05)


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
  folder = tmp_path_factory.mktemp("toys")
  return toy.save_model(folder / "model"), toy.write_rows(folder / "rows.jsonl", 60)


def config_and_flags(toys, workdir, **changes):
  """One run's config, and the same as flags for scripts/train.py."""
  config = toy.run_config(*toys, **(MESH | changes))
  flat = {k: config[a][b] for k in FLAT | MESH.keys() | changes.keys() for a, b in [split(k)]}
  return config, [
    f"--workdir={workdir}",
    *(f"--config.{k.replace('__', '.')}={v}" for k, v in flat.items()),
  ]


FLAT = {
  "model.source", "data.train", "data.format", "data.max_length", "data.validation_fraction",
  "optim.learning_rate", "optim.warmup", "train.batch_size", "train.duration", "train.log_every",
  "eval.every", "eval.samples", "checkpoint.every", "log.tensorboard",
}  # fmt: skip


def split(key: str) -> list[str]:
  return key.replace("__", ".").split(".")


def losses(workdir) -> dict:
  return {
    (m["step"], k): v for m in read(workdir / "metrics.jsonl") for k, v in m.items() if "loss" in k
  }


def assert_same_losses(workdir, other) -> None:
  found, wanted = losses(workdir), losses(other)
  assert found.keys() == wanted.keys()
  np.testing.assert_allclose([*found.values()], [wanted[k] for k in found], rtol=0, atol=1e-5)


def assert_same_adapters(workdir, other) -> None:
  for folder in ("best", "final"):
    found, wanted = (
      load_file(run / folder / "adapter_model.safetensors") for run in (workdir, other)
    )
    assert found.keys() == wanted.keys()
    for name, x in wanted.items():
      np.testing.assert_allclose(found[name], x, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("init", ["default", "pissa"])
def test_two_processes_train_as_one_does(root, toys, tmp_path, init):
  """An adapter on a sharded base; batches, weights and results are each shared among the two."""
  changes = {
    "adapter__kind": "lora", "adapter__rank": 2, "adapter__targets": "q_proj,down_proj,embed_tokens",
    "adapter__init": init, "train__duration": "4 steps", "eval__every": "2 steps",
  }  # fmt: skip
  config, flags = config_and_flags(toys, tmp_path / "two", **changes)
  hosts = Hosts(root, tmp_path, 2, flags)
  finetune(config, tmp_path / "one")
  assert hosts.statuses() == [0, 0], hosts.text(0) + hosts.text(1)
  assert_same_losses(tmp_path / "two", tmp_path / "one")
  assert "step 4/4" in hosts.text(0) and "step " not in hosts.text(1)
  assert_same_adapters(tmp_path / "two", tmp_path / "one")


@pytest.mark.slow
def test_two_processes_have_a_quantized_base_between_them(root, toys, tmp_path):
  """Each reads and quantizes its part of every kernel; stopped, and gone on with to the end."""
  wide = toy.save_model(tmp_path / "wide", hidden_size=256, head_dim=64, intermediate_size=512)
  changes = {
    "model__quantize": "nf4", "adapter__kind": "lora", "adapter__rank": 2, "mesh__data": 1,
    "mesh__tensor": 2, "train__duration": "24 steps", "eval__every": "8 steps",
    "checkpoint__every": "4 steps", "optim__learning_rate": 1e-3,
  }  # fmt: skip
  config, flags = config_and_flags((wide, toys[1]), tmp_path / "two", **changes)
  hosts = Hosts(root, tmp_path, 2, flags)
  hosts.after_step(tmp_path / "two", 6)
  hosts.processes[1].send_signal(signal.SIGTERM)
  assert hosts.statuses() == [3, 3], hosts.text(0) + hosts.text(1)
  hosts = Hosts(root, tmp_path, 2, flags)
  finetune(config, tmp_path / "one")
  assert hosts.statuses() == [0, 0], hosts.text(0) + hosts.text(1)
  assert "Going on from the checkpoint of step" in hosts.text(0)
  assert_same_losses(tmp_path / "two", tmp_path / "one")
  assert_same_adapters(tmp_path / "two", tmp_path / "one")


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes_and_after_a_kill(root, toys, tmp_path):
  """Two processes, stopped; one, stopped; two, of which the first is killed; two, to the end."""
  changes = {
    "train__duration": "60 steps", "eval__every": "20 steps", "checkpoint__every": "4 steps",
    "optim__learning_rate": 1e-3,
  }  # fmt: skip
  config, flags = config_and_flags(toys, tmp_path / "run", **changes)
  finetune(config, tmp_path / "whole")
  run = tmp_path / "run"

  hosts = Hosts(root, tmp_path, 2, flags)
  hosts.after_step(run, 6)
  hosts.processes[1].send_signal(signal.SIGTERM)
  assert hosts.statuses() == [3, 3], hosts.text(0) + hosts.text(1)
  assert "SIGTERM: stopped at step" in hosts.text(0) and "SIGTERM: stopped" not in hosts.text(1)

  hosts = Hosts(root, tmp_path, 1, flags)
  hosts.after_step(run, 22)
  hosts.processes[0].send_signal(signal.SIGTERM)
  assert hosts.statuses() == [3], hosts.text(0)
  assert "Going on from the checkpoint of step" in hosts.text(0)

  hosts = Hosts(root, tmp_path, 2, flags)
  hosts.after_step(run, 38)
  hosts.processes[0].kill()
  assert hosts.statuses(60)[1] == 5, hosts.text(1)
  assert "another process of this run has ended" in hosts.text(1)

  hosts = Hosts(root, tmp_path, 2, flags)
  assert hosts.statuses() == [0, 0], hosts.text(0) + hosts.text(1)
  assert "Going on from the checkpoint of step" in hosts.text(0)
  assert_same_losses(run, tmp_path / "whole")


@pytest.mark.slow
def test_an_error_of_one_process_is_told_once_and_ends_all(root, toys, tmp_path):
  """One of them is given other rows; then a killed one that is not the first."""
  _, flags = config_and_flags(toys, tmp_path / "run", train__duration="100000 steps")
  other = toy.write_rows(tmp_path / "other.jsonl", 60, seed=1)
  hosts = Hosts(root, tmp_path, 2, flags, apart={1: f"--config.data.train={other}"})
  assert hosts.statuses(120) == [2, 2], hosts.text(0) + hosts.text(1)
  errors = [hosts.text(i).count("error: ") for i in range(2)]
  assert errors == [1, 0], hosts.text(0)
  assert "The config's settings on process 1 differ" in hosts.text(0)

  hosts = Hosts(root, tmp_path, 2, flags)
  hosts.after_step(tmp_path / "run", 3)
  hosts.processes[1].kill()
  assert hosts.statuses(60)[0] == 5, hosts.text(0)
  assert "another process of this run has ended" in hosts.text(0)


@pytest.mark.slow
def test_processes_that_do_not_meet_say_so(root, toys, tmp_path):
  _, flags = config_and_flags(toys, tmp_path / "run")
  hosts = Hosts(root, tmp_path, 2, [*flags, "--join_seconds=3"])
  hosts.processes[0].kill()
  assert hosts.statuses(60)[1] == 2
  assert "did not answer. Start the same command on all" in hosts.text(1)
