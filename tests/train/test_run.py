"""Whole runs: resume to the bit, early stopping, divergence, and folders that belong to
somebody."""

import json
import math
import shutil
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from ftjax import tracking
from ftjax.config import InputError
from ftjax.finetuning import finetune
from ftjax.log import read
from ftjax.train import inputs, loop, run_folder, stopping
from tests.train import toy


@pytest.fixture(scope="module")
def whole(source, rows, tmp_path_factory):
  """A run that nothing interrupts."""
  workdir = tmp_path_factory.mktemp("whole") / "run"
  return finetune(toy.run_config(source, rows), workdir)


def same_bits(a, b):
  a, b = load_file(a / "model.safetensors"), load_file(b / "model.safetensors")
  assert a.keys() == b.keys()
  for name in a:
    assert a[name].tobytes() == b[name].tobytes(), name


def timeless(workdir):
  """metrics.jsonl without the rates, which depend on the clock."""
  return [
    {k: v for k, v in m.items() if "per_second" not in k} for m in read(workdir / "metrics.jsonl")
  ]


def test_a_run_leaves_what_it_promises(whole):
  found = {p.name for p in whole.workdir.iterdir()}
  assert {
    "config.json",
    "metrics.jsonl",
    "checkpoints",
    "best",
    "final",
    "loss.png",
    "evaluation.json",
  } <= found
  assert (whole.reason, whole.step) == ("done", 12)
  lines = read(whole.workdir / "metrics.jsonl")
  assert [m["step"] for m in lines if "train/loss" in m] == list(range(1, 13))
  assert [m["step"] for m in lines if "validation/loss" in m] == [0, 4, 8, 12]
  assert lines[1]["train/learning_rate"] == 0.0
  assert whole.scores["tuned"]["loss"] < whole.scores["base"]["loss"]
  best = min((m for m in lines if "validation/loss" in m), key=lambda m: m["validation/loss"])
  assert whole.best_step == best["step"]
  assert math.isclose(
    best["validation/perplexity"], math.exp(best["validation/loss"]), rel_tol=1e-6
  )


@pytest.mark.parametrize("kill_after", [pytest.param(3, marks=pytest.mark.slow), 7])
def test_resume_after_a_kill_is_bitwise(source, rows, whole, tmp_path, kill_after):
  """The process dies between updates, with no chance to save; the same command then ends where the
  whole run did."""

  config, workdir = toy.run_config(source, rows, checkpoint__every="2 steps"), tmp_path / "run"
  with toy.killed_after(kill_after):
    finetune(config, workdir)
  assert not (workdir / "final").exists()
  resumed = finetune(config, workdir)
  same_bits(resumed.workdir / "final", whole.workdir / "final")
  same_bits(resumed.workdir / "best", whole.workdir / "best")
  assert timeless(resumed.workdir) == timeless(whole.workdir)


def test_a_signal_saves_and_the_run_goes_on(source, rows, whole, tmp_path, monkeypatch):
  import signal

  real, count = loop.put, 0

  def put(*args):
    nonlocal count
    count += 1
    if count == 5:
      signal.raise_signal(signal.SIGTERM)
    return real(*args)

  config, workdir = toy.run_config(source, rows), tmp_path / "run"
  monkeypatch.setattr(loop, "put", put)
  stopped = finetune(config, workdir)
  monkeypatch.setattr(loop, "put", real)
  assert (stopped.reason, stopped.step) == ("SIGTERM", 5)
  assert not (workdir / "best").exists()
  resumed = finetune(config, workdir)
  assert resumed.reason == "done"
  same_bits(workdir / "final", whole.workdir / "final")


def test_a_finished_run_is_not_run_again(source, rows, whole, capsys):
  before = (whole.workdir / "metrics.jsonl").read_bytes()
  assert finetune(toy.run_config(source, rows), whole.workdir).step == -1
  assert "finished run" in capsys.readouterr().err
  assert (whole.workdir / "metrics.jsonl").read_bytes() == before


@pytest.fixture
def copied(whole, tmp_path):
  """A finished run, as if its training rows had been 300 others when it began."""
  run = tmp_path / "run"
  shutil.copytree(whole.workdir, run)
  found = json.loads((run / inputs.INPUTS).read_text())
  found["training rows"] = {"digest": "00", "rows": 300}
  (run / inputs.INPUTS).write_text(json.dumps(found))
  return run


def test_a_finished_run_says_what_changed_since(source, rows, copied, capsys):
  assert finetune(toy.run_config(source, rows), copied).step == -1
  said = capsys.readouterr().err
  assert (
    "nothing to do" in said and "Since then the training rows changed: 300 rows (00) then" in said
  )


def test_a_run_goes_on_with_the_rows_it_began_with_alone(source, rows, copied):
  shutil.rmtree(copied / "final")
  before = sorted(p.relative_to(copied) for p in copied.rglob("*"))
  with pytest.raises(InputError, match=r"(?s)training rows changed: 300 rows \(00\) then, .* now"):
    finetune(toy.run_config(source, rows), copied)
  assert sorted(p.relative_to(copied) for p in copied.rglob("*")) == before


@pytest.mark.slow
def test_a_best_that_is_gone_is_written_again(source, rows, whole, tmp_path, capsys):
  run = tmp_path / "run"
  shutil.copytree(whole.workdir, run)
  shutil.rmtree(run / "best")
  finetune(toy.run_config(source, rows), run)
  assert "without its best/: it is written again" in capsys.readouterr().err
  for name in ("best", "final"):
    same_bits(run / name, whole.workdir / name)
  assert timeless(run) == timeless(whole.workdir)
  shutil.rmtree(run / "best")
  shutil.rmtree(run / "checkpoints")
  assert finetune(toy.run_config(source, rows), run).step == -1
  assert "Its best/ is missing, and so are the checkpoints" in capsys.readouterr().err


def test_a_refused_config_leaves_no_folder(source, rows, tmp_path, monkeypatch):
  monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: None)
  with pytest.raises(InputError, match="pip install wandb"):
    finetune(toy.run_config(source, rows, log__wandb="shop"), tmp_path / "run")
  with pytest.raises(InputError, match="optim.warmup is 99 updates"):
    finetune(toy.run_config(source, rows, optim__warmup="99 steps"), tmp_path / "run")
  assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("key, value, message", [
  ("adapter__dropout", 1.0, "adapter.dropout=1.0 must be at least 0 and below 1"),
  ("train__seed", -1, "train.seed=-1 must be 0 or greater"),
  ("eval__patience", -1, "eval.patience=-1 must be 0 .never stop early"),
  ("eval__min_delta", float("nan"), "eval.min_delta=nan must be 0 or greater"),
  ("eval__batch_size", -2, "eval.batch_size=-2 must be 0"),
  ("eval__samples", -1, "eval.samples=-1 must be 0"),
  ("eval__max_new_tokens", 0, "eval.max_new_tokens=0 must be 1 or greater; eval.samples=0"),
  ("checkpoint__keep", 0, "checkpoint.keep=0 must be 1 or greater"),
])  # fmt: skip
def test_a_number_out_of_range_is_refused_before_anything_is_read(key, value, message, tmp_path):
  config = toy.run_config("nowhere", "nothing", **{"eval__samples": 2, key: value})
  with pytest.raises(InputError, match=message):
    finetune(config, tmp_path / "run")


@pytest.mark.parametrize("epochs, warmup, updates", [(0.1, "5%", 0), (2, "5%", 1), (1, "99%", 9)])
def test_a_share_of_warmup_leaves_an_update_to_learn_in(source, rows, epochs, warmup, updates):
  from ftjax.finetuning import _plan

  config = toy.run_config(source, rows, train__duration=f"{epochs} epochs", optim__warmup=warmup)
  assert _plan(config, 10.0, 32)[1] == updates


def test_another_config_is_refused_with_the_difference(source, rows, whole):
  before = sorted(p.name for p in whole.workdir.iterdir())
  with pytest.raises(
    InputError, match=r"optim.learning_rate: 0.5 in this config, 0.01 in .*config.json"
  ):
    finetune(toy.run_config(source, rows, optim__learning_rate=0.5), whole.workdir)
  assert sorted(p.name for p in whole.workdir.iterdir()) == before


def test_a_folder_of_something_else_is_refused(source, rows, tmp_path):
  (tmp_path / "thesis.txt").write_text("mine")
  with pytest.raises(InputError, match="is not a run of ftjax"):
    finetune(toy.run_config(source, rows), tmp_path)


def test_a_bucket_must_be_mounted(source, rows):
  with pytest.raises(InputError, match="--workdir=gs://b/run: .* Mount the bucket"):
    finetune(toy.run_config(source, rows), "gs://b/run")


def test_early_stopping_keeps_the_best(source, rows, tmp_path):
  config = toy.run_config(
    source, rows, optim__learning_rate=0.3, optim__schedule="constant", train__duration="40 steps",
    eval__every="1 step", eval__patience=2,
  )  # fmt: skip
  result = finetune(config, tmp_path / "run")
  losses = {
    m["step"]: m["validation/loss"]
    for m in read(tmp_path / "run" / "metrics.jsonl")
    if "validation/loss" in m
  }
  assert result.reason == "early" and result.step < 40
  assert result.best_step == min(losses, key=losses.get) == result.step - 2
  assert result.scores["tuned"]["loss"] == losses[result.best_step]

  # Killed while the end was written: the same command writes it again, and trains nothing more.
  workdir = tmp_path / "run"
  (workdir / "final").rename(tmp_path / "before")
  lines = (workdir / "metrics.jsonl").read_bytes()
  again = finetune(config, workdir)
  assert (again.reason, again.step, again.best_step) == ("early", result.step, result.best_step)
  assert (workdir / "metrics.jsonl").read_bytes() == lines
  same_bits(workdir / "final", tmp_path / "before")


def test_a_run_that_never_improves_leaves_the_base(source, rows, tmp_path):
  config = toy.run_config(
    source, rows, optim__learning_rate=5.0, optim__clip=0.0, optim__warmup="0", eval__patience=1
  )
  result = finetune(config, tmp_path / "run")
  assert result.best_step == 0
  same_bits(tmp_path / "run" / "best", source)


def test_divergence_names_step_and_rows_and_saves_nothing(source, tmp_path):
  rows = toy.write_rows(tmp_path / "rows.jsonl", 40)
  config = toy.run_config(
    source,
    rows,
    optim__learning_rate=1e30,
    optim__clip=0.0,
    optim__warmup="0",
    checkpoint__every="1 step",
  )
  with pytest.raises(stopping.Diverged, match=r"Diverged at step [2-4]: .*Rows: .*rows.jsonl:\d+"):
    finetune(config, tmp_path / "run")
  kept = run_folder.saved(tmp_path / "run")
  last = read(tmp_path / "run" / "metrics.jsonl")[-1]
  assert all(step < last["step"] for step in kept)


def test_lora_checkpoints_hold_the_adapter_alone_and_best_is_a_peft_folder(source, rows, tmp_path):
  config = toy.run_config(
    source, rows, adapter__kind="lora", adapter__rank=2, train__duration="6 steps"
  )
  before = {p.name: p.read_bytes() for p in source.iterdir()}
  finetune(config, tmp_path / "run")
  assert {p.name: p.read_bytes() for p in source.iterdir()} == before, (
    "the base's folder was touched"
  )
  assert {"adapter_config.json", "adapter_model.safetensors"} <= {
    p.name for p in (tmp_path / "run" / "best").iterdir()
  }
  saved = json.loads((tmp_path / "run" / "checkpoints" / "6" / "state" / "_METADATA").read_text())
  assert not any("'params'" in key for key in saved["tree_metadata"])


def test_a_batch_that_does_not_divide_over_the_mesh(source, rows, tmp_path):
  with pytest.raises(
    InputError, match="train.batch_size=6 does not divide over the mesh.*Use a multiple of 8"
  ):
    finetune(toy.run_config(source, rows, train__batch_size=6), tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_no_host_transfer_hides_in_the_loop(source, rows, tmp_path, monkeypatch):
  real = loop.train

  def guarded(*args, **kwargs):
    with jax.transfer_guard("disallow"):
      return real(*args, **kwargs)

  monkeypatch.setattr("ftjax.finetuning.train", guarded)
  result = finetune(
    toy.run_config(source, rows, train__duration="5 steps", data__validation_fraction=0.0),
    tmp_path / "run",
  )
  assert result.step == 5


def test_a_run_that_stopped_early_trains_no_further():
  """Its end was not written: the command that is given again trains nothing and evaluates nothing."""
  done = stopping.EarlyStopping(patience=2, best=1.0, best_step=3, mark=1.0, waited=2)
  fail = lambda *args: pytest.fail("an update or an evaluation")
  kept = SimpleNamespace(save=fail, wait=lambda: None)
  outcome = loop.train(
    "state", fail, SimpleNamespace(get_state=dict), loop.Plan(total=40, eval_every=1), sharding=None,
    log=None, checkpoints=kept, stopping=done, evaluate=fail, start=5,
  )  # fmt: skip
  assert outcome == loop.Outcome("state", 5, "early")
  assert done.best_step == 3


def test_early_stopping_remembers_across_a_restart():
  rule = stopping.EarlyStopping(patience=2, min_delta=0.1)
  assert rule.update(0, 3.0) and rule.update(1, 2.0) and rule.update(2, 1.95)
  again = stopping.EarlyStopping(patience=2, min_delta=0.1)
  again.restore(json.loads(json.dumps(rule.state(), allow_nan=False)))
  assert (again.best, again.best_step, again.mark, again.waited) == (1.95, 2, 2.0, 1)
  assert not again.update(3, 1.99) and again.stop
  assert not stopping.EarlyStopping(patience=0).stop


def test_a_cut_line_of_metrics_is_dropped_on_resume(whole, tmp_path):
  shutil.copy(whole.workdir / "metrics.jsonl", tmp_path / "metrics.jsonl")
  with open(tmp_path / "metrics.jsonl", "a") as f:
    f.write('{"step": 13, "train/l')
  assert np.array([m["step"] for m in read(tmp_path / "metrics.jsonl")]).max() == 12
