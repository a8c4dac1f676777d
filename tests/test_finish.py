"""The end of a run, where models are written, judged and generated with."""

import gc
import json
import re
from types import SimpleNamespace

import jax
import pytest

import ftjax.finish
from ftjax import tree
from ftjax.finetuning import finetune
from ftjax.models import hf
from ftjax.pretrained import read_weights
from ftjax.train.loop import Outcome
from tests.text.conftest import make
from tests.train import toy

SIZES = dict(
  vocab_size=260, hidden_size=64, intermediate_size=192, num_hidden_layers=6, head_dim=16
)
ADAPTER = dict(adapter__kind="lora", adapter__rank=2)


def test_a_failure_of_what_only_measures_takes_no_model(tmp_path, monkeypatch, capsys):
  """final/ is there before anything is measured; each step that fails is named, with what repeats it."""
  there = []

  def fail(*args, **kwargs):
    there.append((tmp_path / "final").is_dir() and (tmp_path / "best").is_dir())
    raise RuntimeError("out of\n memory")

  for place in ("finish.write_texts", "finish.validation_scores", "finish.plots.save_loss"):
    monkeypatch.setattr(f"ftjax.{place}", fail)
  monkeypatch.setattr(ftjax.finish, "write_model", lambda folder, *args: folder.mkdir())
  assert _finish(tmp_path) == {}
  told = capsys.readouterr().err
  assert there == [True] * 3 and told.count("RuntimeError: out of memory") == 3
  for what in ("Reading the losses", "Writing texts for validation prompts", "Drawing loss.png"):
    again = f"python scripts/evaluate.py --config.source={tmp_path}"
    assert re.search(f"{what} failed and was skipped .*{re.escape(again)}", told)
  assert json.loads((tmp_path / "evaluation.json").read_text()) == {"best_step": 4}


def test_a_person_can_still_end_what_only_measures(tmp_path, monkeypatch):
  monkeypatch.setattr(ftjax.finish, "write_model", lambda folder, *args: folder.mkdir())
  for signal in (KeyboardInterrupt, SystemExit):
    monkeypatch.setattr(
      ftjax.finish, "write_texts", lambda *args, e=signal: (_ for _ in ()).throw(e)
    )
    with pytest.raises(signal):
      _finish(tmp_path / signal.__name__)


def test_a_best_checkpoint_that_is_gone_leaves_the_last_model(tmp_path, monkeypatch, capsys):
  """The run ends all the same, at its first start and at each later one."""
  (tmp_path / "checkpoints" / "4" / "state").mkdir(parents=True)
  real, written = ftjax.finish.restore_trainable, {}

  def restore(folder, step, like):
    return {"params": {"step": step}} if step == 4 else real(folder, step, like)

  def write(folder, variables, *args):
    folder.mkdir()
    written[folder.name] = variables

  monkeypatch.setattr(ftjax.finish, "restore_trainable", restore)
  monkeypatch.setattr(ftjax.finish, "write_model", write)
  _finish(tmp_path, best_step=2)
  assert written["best"] == {"params": {"step": 4}} and (tmp_path / "final").is_dir()
  told = " ".join(capsys.readouterr().err.split())
  assert "the best evaluation was that of step 2" in told and "2/state is not there" in told
  assert "best/ is the last model, of step 4" in told
  assert json.loads((tmp_path / "evaluation.json").read_text())["best_step"] == 4


def test_the_table_says_what_to_know_before_believing_it(tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(ftjax.finish, "write_model", lambda folder, *args: folder.mkdir())
  monkeypatch.setattr(ftjax.finish, "write_texts", lambda *args: ftjax.finish.Written([], {}, {}))
  losses = {"base": {"loss": 1.0}, "tuned": {"loss": 1.0}}
  monkeypatch.setattr(ftjax.finish, "validation_scores", lambda *args: losses)
  state = SimpleNamespace(frozen={}, evaluated=dict)
  report = SimpleNamespace(
    cut=0.395, max_length=64, full=False, lengths={"99%": 90, "longest": 120}
  )
  assert losses == _finish(
    tmp_path, best_step=0, outcome=Outcome(state, 4, "early"),
    data=SimpleNamespace(template=None, report=report),
  )  # fmt: skip
  told = " ".join(capsys.readouterr().out.split())
  for what in (
    "validation, step 0, stopped early after step 4",
    "warning: No evaluation was better than the base's: best/ is the base itself.",
    "warning: 39.5% of the rows lost their end to data.max_length=64",
  ):
    assert what in told


def _finish(workdir, best_step=4, **changes):
  """finish, of a run of four updates whose model is nothing."""
  workdir.mkdir(exist_ok=True)
  config = toy.run_config("a", "b")
  state = SimpleNamespace(frozen={}, evaluated=dict)
  args = dict(
    opened=None, data=SimpleNamespace(template=None), outcome=Outcome(state, 4, "done"),
    stopping=SimpleNamespace(best_step=best_step, waited=0), mesh=None, initial=dict, evaluate=None, objective=None,
  )  # fmt: skip
  return ftjax.finish.finish(config, workdir, **(args | changes))


def buffers():
  """{where in memory: bytes} of all arrays; two of them can have one buffer."""
  gc.collect()
  shards = (shard.data for x in jax.live_arrays() for shard in x.addressable_shards)
  return {x.unsafe_buffer_pointer(): x.nbytes for x in shards}


@pytest.mark.parametrize(
  "name",
  ["whole", "adapter", *(pytest.param(x, marks=pytest.mark.slow) for x in ("dora", "int8"))],
)
def test_samples_are_written_with_one_model_in_memory(tmp_path, monkeypatch, name):
  """Neither what the optimizer held nor a second copy is there, of the tuned model or of the base."""
  folder = toy.save_model(tmp_path / "toy", **SIZES)
  make().save_pretrained(folder)
  rows = tmp_path / "rows.jsonl"
  text = lambda i: {"prompt": f"q{i}", "completion": f"a {i}"}
  rows.write_text("".join(json.dumps(text(i)) + "\n" for i in range(40)))
  quantize = "int8" if name == "int8" else ""
  model = read_weights(hf.open_checkpoint(folder), jax.numpy.float32, None, quantize)
  whole = jax.device_count() * tree.nbytes(model)  # every device has all of it
  del model
  score, others, found = ftjax.finish.generate_and_score, buffers().keys(), []

  def measured(*args):
    found.append(sum(n for where, n in buffers().items() if where not in others) / whole)
    return score(*args)

  monkeypatch.setattr(ftjax.finish, "generate_and_score", measured)
  settings = {"data__format": "prompt_completion", "data__max_length": 48, "train__duration": "4 steps",
              "eval__every": "4 steps", "eval__samples": 4, "eval__max_new_tokens": 4,
              "model__quantize": quantize}  # fmt: skip
  if name != "whole":
    settings |= ADAPTER | dict(adapter__dora=name == "dora")
  finetune(toy.run_config(folder, rows, **settings), tmp_path / "run")
  samples = (tmp_path / "run" / "samples.md").read_text()
  assert "tuned" in samples and len(found) == 2
  # What DoRA merges into comes on top, as its base is needed again.
  assert 0.9 < found[0] < (2 if name == "dora" else 1.2) and 0.9 < found[1] < 1.1, found
