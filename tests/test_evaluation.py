"""Evaluation as people run it: on a run, on a folder of its own, beside the training; and what it
says to bad input."""

import csv
import json
import shutil
import subprocess
import sys

import pytest

import ftjax
from configs.evaluate import get_config
from ftjax import evaluation
from ftjax.config import InputError
from ftjax.evaluation import evaluate


@pytest.fixture(scope="module")
def rows(shared, tmp_path_factory):
  path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
  with open(shared / "data" / "e2e_devset.csv", encoding="utf-8") as f:
    some = [r for r, _ in zip(csv.DictReader(f), range(120), strict=False)]
  lines = [json.dumps({"prompt": r["mr"], "completion": " " + r["ref"]}) for r in some]
  path.write_text("\n".join(lines), encoding="utf-8")
  return path


def _training(rows, shared):
  config = ftjax.get_config()
  config.model.source = str(shared / "models" / "stories260K")
  config.data.train, config.data.max_length = str(rows), 192
  config.data.validation_fraction, config.data.separator = 0.2, "\n"
  config.optim.learning_rate, config.train.duration = 2e-3, "4 steps"
  config.eval.every, config.eval.samples, config.eval.max_new_tokens = "2 steps", 3, 16
  return config


@pytest.fixture(scope="module")
def run(rows, shared, tmp_path_factory):
  """A short run, its metrics and what it wrote about itself."""
  config = _training(rows, shared)
  workdir = tmp_path_factory.mktemp("runs") / "run"
  return workdir, ftjax.finetune(config, workdir).scores


def _config(source, **changes):
  config = get_config()
  config.source, config.samples, config.max_new_tokens = str(source), 3, 16
  config.poll_seconds = 0.01
  config.update_from_flattened_dict(changes)
  config.lock()
  return config


def test_a_run_is_judged_as_it_judged_itself(run, capsys):
  workdir, itself = run
  scores = evaluate(_config(workdir, batch_size=5))
  assert list(scores) == ["floor", "base", "tuned"]
  for name in scores:
    for key, value in itself[name].items():
      assert scores[name][key] == pytest.approx(value, rel=2e-6), (name, key)
  assert scores["tuned"]["loss"] < scores["base"]["loss"]
  assert json.loads((workdir / "evaluation" / "evaluation.json").read_text()) == scores
  samples = (workdir / "evaluation" / "samples.md").read_text()
  assert "**base model**" in samples and "**tuned model**" in samples and "> name[" in samples
  assert (workdir / "evaluation" / "samples.html").is_file()
  assert "since the run began" not in capsys.readouterr().err


def test_an_adapter_that_parts_two_tied_tables_is_judged_beside_its_base(
  run, rows, shared, tmp_path
):
  config = _training(rows, shared)
  config.adapter.kind, config.adapter.targets = "lora", "q_proj,embed_tokens,lm_head"
  itself = ftjax.finetune(config, tmp_path / "run").scores
  scores = evaluate(_config(tmp_path / "run"))
  for name in ("base", "tuned"):
    assert scores[name]["loss"] == pytest.approx(itself[name]["loss"], rel=2e-6)
  assert scores["base"]["loss"] == pytest.approx(run[1]["base"]["loss"], rel=2e-6)
  assert scores["tuned"]["loss"] < scores["base"]["loss"]


def test_checkpoints_are_followed_to_the_end_and_not_twice(run, rows, capsys):
  workdir, itself = run
  config = _config(workdir, follow=True, partition="mesh", samples=0)
  last = evaluate(config)
  path = workdir / "evaluation" / "evaluation.jsonl"
  lines = [json.loads(line) for line in path.read_text().splitlines()]
  steps = sorted(int(p.name) for p in (workdir / "checkpoints").iterdir())
  assert [line["step"] for line in lines] == steps and steps[-1] == 4
  trained = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
  by_itself = {m["step"]: m["validation/loss"] for m in trained if "validation/loss" in m}
  assert [line["loss"] for line in lines] == pytest.approx([by_itself[s] for s in steps], rel=2e-6)
  whole = path.read_text()
  path.write_text(whole + '{"step": 2, "los')  # killed while it wrote
  kept = rows.read_text(encoding="utf-8")
  rows.write_text(kept.replace('"completion": " ', '"completion": " So '), encoding="utf-8")
  assert evaluate(config) == last and path.read_text() == whole
  rows.write_text(kept, encoding="utf-8")
  assert "since the run began, the validation rows changed: " in capsys.readouterr().err


@pytest.mark.slow
def test_a_base_with_another_tokenizer_is_judged_by_its_texts(run, capsys):
  workdir, itself = run
  scores = evaluate(_config(workdir, base="starter", output=str(workdir / "other")))
  assert scores["tuned"]["loss"] == pytest.approx(itself["tuned"]["loss"], rel=2e-6)
  assert not {"loss", "perplexity", "accuracy", "general_loss"} & scores["base"].keys()
  assert scores["base"]["chrf"] > 0 and "has another tokenizer" in capsys.readouterr().err


class Loaded(Exception):
  """How a model was asked for."""


@pytest.fixture
def loading(monkeypatch, tmp_path):
  """What an evaluation asks `load` for first, of a run with this model config."""

  def first(source=None, model=(), **changes):
    def load(where, **options):
      raise Loaded(options | {"where": where})

    monkeypatch.setattr(evaluation, "load", load)
    run = tmp_path / "run"
    (run / "best").mkdir(parents=True, exist_ok=True)
    (run / "config.json").write_text(json.dumps({"model.source": "starter"} | dict(model)))
    with pytest.raises(Loaded) as found:
      evaluate(_config(source or run, **changes))
    return found.value.args[0]

  return first


@pytest.mark.parametrize(
  "model, changes, expected",
  [
    ({"model.dtype": "bfloat16"}, {}, ("bfloat16", "bfloat16")),
    ({"model.compute_dtype": "bfloat16"}, {}, ("float32", "bfloat16")),
    ({"model.dtype": "bfloat16"}, {"dtype": "float32"}, ("float32", "")),
    ({}, {}, ("float32", "float32")),
    ({}, {"dtype": "bfloat16"}, ("bfloat16", "")),
  ],
)
def test_a_run_is_evaluated_in_its_own_dtype(loading, model, changes, expected):
  asked = loading(model=model, **changes)
  assert (asked["dtype"], asked["compute_dtype"]) == expected


def test_a_model_that_is_no_runs_is_evaluated_in_float32(loading):
  assert loading("starter", base="")["dtype"] == "float32"


def test_a_folder_and_rows_need_no_run(run, rows, tmp_path):
  workdir, _ = run
  shutil.copytree(workdir / "final", tmp_path / "model")
  changes = {
    "data.validation": str(rows),
    "metrics": ("perplexity", "ending"),
    "samples": 2,
  }
  scores = evaluate(_config(tmp_path / "model", output=str(tmp_path / "out"), **changes))
  assert list(scores) == ["tuned"] and {"loss", "finished"} <= scores["tuned"].keys()
  assert "bleu" not in scores["tuned"]
  assert (tmp_path / "out" / "samples.md").is_file()


def test_the_script_prints_one_message_for_bad_input(root):
  for arguments, message in (
    (["--config.source=./nowhere"], "there is no such folder"),
    (["--config.sorce=x"], "sorce"),
  ):
    done = subprocess.run(
      [sys.executable, "scripts/evaluate.py", *arguments], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 2 and message in done.stderr
    assert "Traceback" not in done.stderr


def test_bad_requests_are_explained(run, tmp_path):
  workdir, _ = run
  for config, message in (
    (_config(""), "source is empty: name a run folder"),
    (
      _config(workdir / "best", follow=True, **{"metrics": ("blue",)}),
      "'blue' is not one of ftjax's metrics",
    ),
    (_config(tmp_path, follow=True), "follow=True watches a run folder"),
    (_config(workdir, partition="both"), "partition='both' is not known"),
    (_config(workdir, temperature=-1.0), "temperature=-1.0 is out of range"),
  ):
    with pytest.raises(InputError, match=message):
      evaluate(config)
  shutil.copytree(workdir / "best", tmp_path / "alone")
  with pytest.raises(InputError, match="data.validation is empty, and the source is no run"):
    evaluate(_config(tmp_path / "alone"))
  shutil.copytree(workdir, tmp_path / "early", ignore=shutil.ignore_patterns("best", "final"))
  (tmp_path / "early" / "metrics.jsonl").unlink()
  with pytest.raises(InputError, match="has no best/ yet. Wait for its end, or .* follow=True"):
    evaluate(_config(tmp_path / "early"))
