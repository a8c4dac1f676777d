"""The log: what is written of a run, by which process, and what a resumed run drops."""

import errno
import json
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from ftjax import log, tracking
from ftjax.config import InputError


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
  assert log.read(tmp_path / "none.jsonl") == []


def test_a_run_that_begins_anew_has_nothing_twice(tmp_path):
  """One that was killed after the base's evaluation and before its first checkpoint."""
  for _ in range(2):
    metrics = log.MetricsLog(tmp_path, tensorboard=False)
    metrics.write(0, {"validation/loss": 2.0})
    metrics.close()
  assert log.read(tmp_path / log.METRICS) == [{"step": 0, "validation/loss": 2.0}]


def test_damaged_lines_are_named_and_the_others_kept(tmp_path, capsys):
  path = tmp_path / log.METRICS
  path.write_bytes(
    b'{"step": 1, "x": "nan"}\n\n\xff\xfe\n[1]\n{"x": 2}\n{"step": 2, "x": [3]}\n{"step": 3, "x": 4}\n{"st'
  )
  first, last = log.read(path)
  assert np.isnan(first["x"]) and last == {"step": 3, "x": 4}
  assert "4 lines cannot be read and are left out (3, 4, 5, 6)." in capsys.readouterr().err
  for content in (b"", b"\n", b"null", b"\x00" * 9):
    path.write_bytes(content)
    assert log.read(path) == []
  metrics = log.MetricsLog(tmp_path, tensorboard=False)  # A run goes on beside such a file.
  metrics.write(1, {"x": 1})
  metrics.close()
  assert log.read(path) == [{"step": 1, "x": 1}]


def test_numbers_that_are_none_come_back_as_such_and_are_shown(tmp_path):
  from rich.console import Console

  from ftjax.evaluate.table import scores_table

  metrics = log.MetricsLog(tmp_path, tensorboard=False)
  metrics.write(0, {"loss": float("nan"), "perplexity": float("inf")})
  metrics.close()
  for _ in range(2):  # as written, and as a resumed run writes it again
    (found,) = log.read(tmp_path / log.METRICS)
    assert np.isnan(found["loss"]) and found["perplexity"] == float("inf")
    log.MetricsLog(tmp_path, start=1, tensorboard=False).close()
  console = Console(record=True, width=80)
  console.print(scores_table({"base": found}, "validation"))
  assert "nan" in console.export_text()


def test_an_evaluation_is_json_whatever_the_number(tmp_path):
  path, inf = tmp_path / "evaluation.json", float("inf")
  points = [
    {"alpha": 0.5, "validation/loss": np.float32(2.5)},
    {"alpha": 1, "validation/loss": -inf},
  ]
  found = {"best_step": -1, "base": {"perplexity": inf}, "interpolation": {"points": points}}
  path.write_text(log.as_json(found))
  assert json.loads(path.read_text(), parse_constant=pytest.fail)["base"] == {"perplexity": "inf"}
  assert log.scores(path) == found


def test_tensorboard_has_the_same_numbers(tmp_path):
  metrics = log.MetricsLog(tmp_path)
  metrics.write(7, {"train/loss": 1.5})
  metrics.close()
  (events,) = tmp_path.glob("events.out.tfevents.*")
  assert b"train/loss" in events.read_bytes()


def test_a_full_disk_is_one_error_whichever_sink_meets_it(tmp_path):
  """And each file is closed, so that none tells of it again when Python ends."""
  metrics = log.MetricsLog(tmp_path)
  closed = []

  def failing(name, sink):
    def close():
      sink.close()
      closed.append(name)
      raise OSError(errno.ENOSPC, "No space left on device")

    return SimpleNamespace(close=close)

  for name in ("_file", "_board", "_mirror"):
    setattr(metrics, name, failing(name, getattr(metrics, name)))
  with pytest.raises(OSError, match="No space left"):
    metrics.close()
  assert sorted(closed) == ["_board", "_file", "_mirror"]
  assert not [t for t in threading.enumerate() if "Event" in type(t).__name__]


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


def test_compilation_is_not_counted_in_the_time_that_is_left(monkeypatch, capsys):
  from rich.console import Console

  now = [0.0]
  monkeypatch.setattr(log.time, "monotonic", lambda: now[0])
  line = log.ProgressLine(72, console=Console(width=200))
  numbers = {"train/loss": 1.0, "train/tokens_per_second": 1.0, "train/learning_rate": 1e-4}
  for step, now[0] in ((1, 23.0), (2, 24.0), (10, 32.0)):  # 23 s of compilation, then 1 s an update
    line.update(step, numbers)
  out = capsys.readouterr().out.splitlines()
  assert out[0].endswith("lr 1.00e-04")
  assert out[1].endswith("  70 s left") and out[2].endswith("  62 s left")


def test_wandb_is_asked_for_before_anything_else(monkeypatch, tmp_path, capsys):
  """And what it fails at later costs nothing else."""
  monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: None)
  tracking.check("")
  with pytest.raises(InputError, match="log.wandb='shop' needs W&B.*pip install wandb, or leave"):
    tracking.check("shop")
  monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: object())

  def refuse(**kwargs):
    raise ValueError("api_key not configured")

  def lost(*args, **kwargs):
    raise ConnectionError("gone")

  monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=refuse))
  with pytest.raises(InputError, match="api_key not configured.*wandb login"):
    log.MetricsLog(tmp_path, tensorboard=False, wandb="shop")
  run = SimpleNamespace(log=lost, finish=lost)
  monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda **kwargs: run))
  metrics = log.MetricsLog(tmp_path, tensorboard=False, wandb="shop")
  for step in (1, 2):
    metrics.write(step, {"x": step})
  metrics.close()
  assert [m["x"] for m in log.read(tmp_path / log.METRICS)] == [1, 2]
  assert capsys.readouterr().err.count("W&B gets no more of this run") == 1
