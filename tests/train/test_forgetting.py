"""Whole runs that look at general text: what is measured, what is chosen, what is written, and that a
resume is bitwise with every remedy at once."""

import json
import math

import numpy as np
import pytest
from safetensors.numpy import load_file

from configs.evaluate import get_config as evaluation_config
from ftjax.config import InputError
from ftjax.evaluation import evaluate
from ftjax.finetuning import finetune
from ftjax.log import read
from ftjax.train.stopping import Objective
from tests.train import toy
from tests.train.test_run import same_bits, timeless


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
  return str(toy.write_rows(tmp_path_factory.mktemp("rows") / "general.jsonl", 40, seed=9))


REMEDIES = dict(
  train__replay="0.3", train__kl=0.5, train__neftune=2.0, train__label_smoothing=0.1, optim__ema=0.6,
  optim__l2sp=0.5, train__interpolate=2, eval__objective="loss + 0.5 general",
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(source, rows, texts, tmp_path_factory):
  """A run with every remedy, that nothing interrupts."""
  config = toy.run_config(source, rows, eval__general=texts, **REMEDIES)
  return finetune(config, tmp_path_factory.mktemp("whole") / "run")


def test_general_text_is_measured_beside_the_validation_rows(whole):
  lines = [m for m in read(whole.workdir / "metrics.jsonl") if "validation/loss" in m]
  assert [m["step"] for m in lines] == [0, 4, 8, 12]
  for m in lines:
    assert math.isclose(m["general/perplexity"], math.exp(m["general/loss"]), rel_tol=1e-6)
  assert all(m["train/kl"] >= 0 for m in read(whole.workdir / "metrics.jsonl") if "train/loss" in m)
  found = json.loads((whole.workdir / "evaluation.json").read_text())
  assert found["base"]["general_loss"] == lines[0]["general/loss"]
  assert whole.scores["tuned"]["general_loss"] == found["tuned"]["general_loss"]


def test_the_best_is_what_the_objective_has_least_of(whole):
  lines = [m for m in read(whole.workdir / "metrics.jsonl") if "validation/loss" in m]
  value = lambda m: m["validation/loss"] + 0.5 * m["general/loss"]
  assert whole.best_step == min(lines, key=value)["step"]


def test_the_chosen_point_between_base_and_tuned_is_best(source, whole):
  found = json.loads((whole.workdir / "evaluation.json").read_text())
  points = found["interpolation"]["points"]
  assert [p["alpha"] for p in points] == [0, 0.5, 1]
  first = read(whole.workdir / "metrics.jsonl")[0]
  np.testing.assert_allclose(points[0]["general/loss"], first["general/loss"], rtol=1e-6)
  best = min(points, key=lambda p: p["validation/loss"] + 0.5 * p["general/loss"])
  assert found["interpolation"]["alpha"] == best["alpha"]
  assert found["tuned"]["loss"] == best["validation/loss"]
  bold = f"**{best['alpha']:g}**"
  assert bold in (whole.workdir / "interpolation.md").read_text()
  assert (whole.workdir / "interpolation.png").stat().st_size > 1000
  base, final, mine = (
    load_file(p / "model.safetensors")
    for p in (source, whole.workdir / "final", whole.workdir / "best")
  )
  if whole.best_step == whole.step:
    for name in mine:
      expected = base[name] + best["alpha"] * (final[name] - base[name])
      np.testing.assert_allclose(mine[name], expected, atol=1e-6, err_msg=name)


def test_resume_is_bitwise_with_every_remedy(source, rows, texts, whole, tmp_path):
  config = toy.run_config(
    source, rows, eval__general=texts, checkpoint__every="2 steps", **REMEDIES
  )
  with toy.killed_after(7):
    finetune(config, tmp_path / "run")
  finetune(config, tmp_path / "run")
  same_bits(tmp_path / "run" / "final", whole.workdir / "final")
  same_bits(tmp_path / "run" / "best", whole.workdir / "best")
  assert timeless(tmp_path / "run") == timeless(whole.workdir)


def test_a_run_is_evaluated_on_the_general_text_it_measured(whole):
  config = evaluation_config()
  config.source, config.samples = str(whole.workdir), 0
  scores = evaluate(config)
  for name in ("base", "tuned"):
    np.testing.assert_allclose(
      scores[name]["general_loss"], whole.scores[name]["general_loss"], rtol=1e-5
    )


def test_what_cannot_be_weighed_is_refused(source, rows, tmp_path):
  for changes, message in (
    (dict(eval__objective="loss + 0.5 general"), "eval.objective=.* eval.general is empty"),
    (dict(eval__objective="accuracy"), "eval.objective='accuracy' is not known. Use 'loss'"),
    (
      dict(train__interpolate=3, data__validation_fraction=0.0),
      "train.interpolate=3 .*data.validation",
    ),
    (dict(train__label_smoothing=1.0), "train.label_smoothing=1.0 must be"),
  ):
    with pytest.raises(InputError, match=message):
      finetune(toy.run_config(source, rows, **changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_objective_is_read():
  found = {"validation/loss": 2.0, "general/loss": 3.0}
  assert Objective.parse("loss")(found) == 2.0
  assert (
    Objective.parse("loss + 0.5 general")(found) == Objective.parse("loss+.5*general")(found) == 3.5
  )
  assert Objective.parse("loss")({"general/loss": 3.0}) is None
