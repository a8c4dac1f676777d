"""The log: what is written of a run, by which process, and what a resumed run drops."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from ftjax import log


def test_metrics_are_lines_of_json_whatever_the_number(tmp_path):
  metrics = log.MetricsLog(tmp_path, tensorboard=False)
  metrics.write(1, {"train/loss": np.float32(2.5), "n": 3})
  metrics.write(2, {"train/loss": float("nan"), "x": float("-inf")})
  metrics.close()
  lines = (tmp_path / log.METRICS).read_text().splitlines()
  assert json.loads(lines[0]) == {"step": 1, "train/loss": 2.5, "n": 3}
  assert json.loads(lines[1], parse_constant=pytest.fail) == {
    "step": 2,
    "train/loss": "nan",
    "x": "-inf",
  }


def test_a_resumed_run_drops_what_it_will_write_again(tmp_path):
  metrics = log.MetricsLog(tmp_path, tensorboard=False)
  for step in (1, 2, 3):
    metrics.write(step, {"x": step})
  metrics.close()
  with open(tmp_path / log.METRICS, "a") as f:
    f.write('{"step": 4, "x"')  # A crash in the middle of a line.
  assert [m["step"] for m in log.read(tmp_path / log.METRICS)] == [1, 2, 3]
  metrics = log.MetricsLog(tmp_path, start=2, tensorboard=False)
  metrics.write(3, {"x": 30})
  metrics.close()
  assert [m["x"] for m in log.read(tmp_path / log.METRICS)] == [1, 2, 30]
  (tmp_path / log.METRICS).write_text('{"step": 1}\nbroken\n{"step": 2}\n')
  with pytest.raises(json.JSONDecodeError):
    log.read(tmp_path / log.METRICS)
  assert log.read(tmp_path / "none.jsonl") == []


def test_tensorboard_has_the_same_numbers(tmp_path):
  metrics = log.MetricsLog(tmp_path)
  metrics.write(7, {"train/loss": 1.5})
  metrics.close()
  (events,) = tmp_path.glob("events.out.tfevents.*")
  assert b"train/loss" in events.read_bytes()


def test_other_processes_write_nothing(tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(log, "jax", SimpleNamespace(process_index=lambda: 1))
  metrics = log.MetricsLog(tmp_path)
  metrics.write(1, {"x": 1})
  metrics.close()
  log.say("hello")
  log.ProgressLine(10).update(5)
  assert not list(tmp_path.iterdir()) and capsys.readouterr().err == ""


def test_progress_in_a_file_is_plain_lines(capsys):
  from rich.console import Console

  line = log.ProgressLine(10, console=Console(width=200))
  line.update(1)
  line.update(
    5, {"train/loss": 1.25, "train/tokens_per_second": 1234.0, "train/learning_rate": 1e-4}
  )
  line.say("[not markup]")
  line.close()
  out = capsys.readouterr().out.splitlines()
  assert out[0].startswith("step 5/10  loss 1.2500  1,234 tokens/s  lr 1.00e-04") and out[
    0
  ].endswith("s left")
  assert out[1:] == ["[not markup]"]
