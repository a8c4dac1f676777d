"""The table and the picture of remedies, and the text that a model writes to be measured on."""

import json

import pytest

from ftjax.research import forgetting, runs
from ftjax.research.forgetting import Row

BASE = dict(alpha=0, loss=4.0, general=1.0, other=3.0)


def rows():
  ends = (
    dict(alpha=1, loss=1.0, general=2.0, other=5.0),
    dict(alpha=1, loss=1.03, general=1.25, other=4.0),
  )
  between = dict(alpha=0.8, loss=1.15, general=1.1, other=3.5)
  return [
    Row("none", 100, 2000.0, BASE, ends[0], 1, ends[0], [BASE, between, ends[0]]),
    Row("replay 10%", 110, 1800.0, BASE, ends[1], 0.8, between, [BASE, between, ends[1]]),
  ]


def test_the_table_says_what_is_kept_of_the_gain_and_of_the_rise():
  lines = forgetting.table(rows()).splitlines()
  assert len({line.count("|") for line in lines}) == 1
  cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
  assert cells[2][:4] == ["(the base)", "0", "", "4.000"]
  assert cells[3][:9] == [
    "none",
    "100",
    "100%",
    "1.000",
    "100.0%",
    "2.000",
    "100%",
    "5.000",
    "100%",
  ]
  assert cells[4] == [
    "replay 10%", "110", "90%", "1.030", "99.0%", "1.250", "25%", "4.000", "50%", "0.8", "95.0%", "10%", "25%",
  ]  # fmt: skip


def test_the_picture_is_drawn_and_written(tmp_path, capsys):
  forgetting.report(rows(), tmp_path)
  assert (tmp_path / "forgetting.png").stat().st_size > 1000
  assert capsys.readouterr().out.strip() == (tmp_path / "forgetting.md").read_text().strip()


def test_a_row_that_is_there_is_not_run_again(tmp_path, monkeypatch):
  calls = []

  def call(script, flags):
    """Stands for the scripts: leaves what they would."""
    calls.append((script, flags))
    point = lambda alpha, x: {"alpha": alpha, "validation/loss": x, "general/loss": x}
    workdir = tmp_path / "a_quarter_of_the_learning_rate"
    found = {
      "interpolation": {"alpha": 0.5, "points": [point(0, 4.0), point(0.5, 1.5), point(1, 1.0)]}
    }
    if script == "train.py":
      (workdir / "final").mkdir(parents=True)
      (workdir / "metrics.jsonl").write_text('{"step": 7, "train/tokens_per_second": 9.0}\n')
    else:
      part = "final" if f"--config.source={workdir / 'final'}" in flags else "best"
      found = {
        "base": {"general_loss": 3.0},
        "tuned": {"general_loss": 9.0 if part == "final" else 6.0},
      }
      workdir /= f"other_{part}"
      workdir.mkdir()
    (workdir / "evaluation.json").write_text(json.dumps(found))

  monkeypatch.setattr(runs, "call", call)
  name, flags = "a quarter of the learning rate", ["--config.x=1"]
  row = forgetting.run_row(name, flags, tmp_path, "other.jsonl", rate=2e-3)
  assert (row.updates, row.speed, row.alpha) == (7, 9.0, 0.5)
  assert [m["other"] for m in (row.base, row.chosen, row.tuned)] == [3.0, 6.0, 9.0]
  assert [script for script, _ in calls] == ["train.py", "evaluate.py", "evaluate.py"]
  assert "--config.x=1" in calls[0][1] and "--config.optim.learning_rate=0.0005" in calls[0][1]
  assert "--config.general=other.jsonl" in calls[1][1]
  assert forgetting.run_row(name, flags, tmp_path, "other.jsonl", rate=2e-3) == row
  assert len(calls) == 3


def test_every_remedy_is_a_config_that_there_is():
  from ftjax.config import flat
  from ftjax.defaults import get_config

  keys = flat(get_config()).keys()
  assert (
    {key for flags in forgetting.REMEDIES.values() for key in flags} | forgetting.EVERY.keys()
  ) <= keys


@pytest.mark.slow
def test_text_that_a_model_writes_is_the_same_for_a_seed(tmp_path, shared):
  import ftjax

  model = ftjax.load(str(shared / "models" / "stories260K"))
  paths = [tmp_path / f"{i}.jsonl" for i in range(2)]
  counts = [forgetting.write_texts(model, p, 6, 400, seed=1) for p in paths]
  assert paths[0].read_bytes() == paths[1].read_bytes()
  texts = [json.loads(line)["text"] for line in paths[0].read_text().splitlines()]
  assert counts == [len(texts)] * 2 and len(set(texts)) == len(texts) > 2
