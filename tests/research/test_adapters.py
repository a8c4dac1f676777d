"""The table of kinds of adapters, over runs that are not trained here."""

import json
from pathlib import Path

import pytest

from ftjax.config import flat
from ftjax.defaults import get_config
from ftjax.research import adapters, runs

SCORES = {"loss": 1.5, "bleu": 20.0, "chrf": 30.0, "finished": 0.5}


@pytest.fixture
def calls(monkeypatch):
  """Scripts write what runs of theirs would; what they were called with is kept."""
  made = []

  def call(script, flags, log=None):
    named = dict(f.split("=", 1) for f in flags)
    made.append((script, named))
    train = script == "train.py"
    folder = Path(named["--workdir" if train else "--config.output"])
    (folder / "final" if train else folder).mkdir(parents=True)
    base, tuned = ({"general_loss": 1.0}, SCORES | {"general_loss": 3.5}) if train else (
      {"general_loss": 4.0}, {"general_loss": 4.25})  # fmt: skip
    (folder / "evaluation.json").write_text(json.dumps({"base": base, "tuned": tuned}))
    if train:
      (folder / "metrics.jsonl").write_text(
        "".join(
          f'{{"step": {i}, "train/tokens_per_second": {v}}}\n' for i, v in enumerate((1, 50, 60))
        )
      )
      log.write_text("trains      92,480 of 352,512\nmemory      38.7 MB per device\n")

  monkeypatch.setattr(runs, "call", call)
  return made


def test_a_row_is_trained_and_measured_once(calls, tmp_path):
  row = adapters.run_row("DoRA 16", ["--config.x=1"], tmp_path, 1e-3, "web.jsonl")
  assert (row.trained, row.memory, row.tokens_per_second) == (92480, "38.7 MB", 55.0)
  (script, train), (other, evaluate) = calls
  assert (script, other) == ("train.py", "evaluate.py")
  assert train["--config.x"] == "1" and train["--config.adapter.dora"] == "True"
  assert float(train["--config.optim.learning_rate"]) == 1e-3 * adapters.KINDS["DoRA 16"]["rate"]
  assert evaluate["--config.general"] == "web.jsonl"
  assert evaluate["--config.source"] == str(tmp_path / "DoRA_16" / "best")
  assert adapters.run_row("DoRA 16", ["--config.x=1"], tmp_path, 1e-3, "web.jsonl") == row
  assert len(calls) == 2 and "--config.base" not in evaluate
  adapters.run_row("(IA)^3", [], tmp_path, 1e-3, "web.jsonl", base_too=False)
  assert calls[-1][1]["--config.base"] == ""


def test_the_table_has_columns_for_the_texts_that_were_measured(calls, tmp_path):
  first = adapters.run_row("LoRA 16", [], tmp_path / "a", 1e-3, "web.jsonl")
  cells = [c.strip() for c in adapters.table([first]).splitlines()[2].strip("|").split("|")]
  assert cells == ["LoRA 16", "92,480", "1.500", "20.0", "30.0", "50%", "+2.500", "+0.250", "55", "38.7 MB"]  # fmt: skip
  second = adapters.run_row("(IA)^3", [], tmp_path / "b", 1e-3)
  assert "other text" in adapters.table([first])
  assert "other text" not in adapters.table([first, second])


def test_every_kind_is_a_config_that_there_is():
  keys = flat(get_config()).keys()
  assert {k for kind in adapters.KINDS.values() for k in kind} - {"rate"} <= keys
