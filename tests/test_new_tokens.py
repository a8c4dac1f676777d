"""model.new_tokens from the config to the written folder: as rows, as an adapter, as a whole model."""

import json
import shutil

import numpy as np
import pytest
import torch

import ftjax
from configs.evaluate import get_config as evaluation_config
from ftjax.config import InputError
from ftjax.evaluation import evaluate
from ftjax.finetuning import finetune
from ftjax.models import lora
from ftjax.run_models import RunModels
from ftjax.text import tokenizer as tokenizers
from tests.models.adapters import in_peft
from tests.text.conftest import make
from tests.tiny import tiny_checkpoint, torch_model
from tests.train import toy

NEW = "<brand>=our name, <cta>"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
  """A model with a tokenizer of 260 tokens, one a row."""
  folder = toy.save_model(tmp_path_factory.mktemp("model") / "toy", vocab_size=260)
  make().save_pretrained(folder)
  return folder


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
  path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
  text = lambda i: {"prompt": f"q{i}", "completion": f"a <brand> {i} <cta>"}
  path.write_text("".join(json.dumps(text(i)) + "\n" for i in range(40)))
  return path


def config(source, rows, **changes):
  settings = {
    "data__format": "prompt_completion", "model__new_tokens": NEW, "train__duration": "4 steps",
    "eval__every": "2 steps", "checkpoint__every": "2 steps", "data__max_length": 48,
    "model__pad_vocab_to": 64,
  }  # fmt: skip
  return toy.run_config(source, rows, **(settings | changes))


RUNS = {
  "whole": {},
  "rows": dict(model__new_tokens_only=True),
  "lora": dict(adapter__kind="lora", adapter__rank=2, adapter__dora=True, adapter__rslora=True),
}


@pytest.fixture(scope="module")
def run(source, rows, tmp_path_factory):
  """fn(name) -> the finished run's folder."""
  made = {}

  def get(name):
    if name not in made:
      made[name] = tmp_path_factory.mktemp(name) / "run"
      finetune(config(source, rows, **RUNS[name]), made[name])
    return made[name]

  return get


@pytest.mark.parametrize("name", RUNS)
def test_what_a_run_leaves_knows_the_tokens(source, run, name):
  folder = run(name)
  model, base = ftjax.load(folder / "final"), ftjax.load(source)
  assert (base.config.vocabulary, len(base.tokenizer)) == (260, 260)
  assert model.tokenizer("x<cta>y", add_special_tokens=False).input_ids[1] == 261
  assert model.tokenizer.decode([260, 261]) == "<brand><cta>"
  kind = (lora.settings(folder / "final") or {}).get("peft_type")
  assert kind == {"whole": None, "rows": "TRAINABLE_TOKENS", "lora": "LORA"}[name]
  assert model.hf_config["vocab_size"] == model.config.V == 262
  ids = np.array([[1, 260, 70, 261, 80]])
  assert np.isfinite(model.logits(ids)).all()
  assert len(model.generator.generate(ids.tolist(), max_new_tokens=4)[0].ids) <= 4
  followed = RunModels(folder)
  step = followed.load(max(followed.steps()))
  assert step.config.V == 320 and step.logits(ids).shape == (1, 5, 262)
  np.testing.assert_allclose(step.logits(ids), model.logits(ids), rtol=0, atol=1e-5)


def test_only_the_rows_of_the_tokens_were_trained(source, run):
  trained = lora.open_folder(run("rows") / "final").tensors
  assert {k: x.shape for k, x in trained.items()} == {
    "model.embed_tokens.trainable_tokens_delta": (2, 16),
    "lm_head.trainable_tokens_delta": (2, 16),
  }
  begin = ftjax.load(source, new_tokens=NEW)
  tuned = ftjax.load(run("rows") / "final")
  old, new = (m.variables["params"]["embed"]["tokens"] for m in (begin, tuned))
  np.testing.assert_array_equal(new[:260], old[:260])
  assert np.abs(trained["model.embed_tokens.trainable_tokens_delta"] - old[260:262]).max() > 1e-3
  name = begin.tokenizer("our name", add_special_tokens=False).input_ids
  np.testing.assert_allclose(old[260], old[np.array(name)].mean(0), rtol=1e-5)
  np.testing.assert_allclose(old[261], old[:260].mean(0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_what_a_run_leaves_is_read_by_transformers_and_peft(source, run, name):
  best, ids = run(name) / "best", np.array([[1, 260, 70, 261, 80]])
  model = torch_model(best) if name == "whole" else in_peft(source, best, vocabulary=262)
  with torch.no_grad():
    theirs = model(torch.tensor(ids)).logits.numpy()
  np.testing.assert_allclose(ftjax.load(best).logits(ids), theirs, rtol=0, atol=1e-4)
  for file in ("config.json",) * (name == "whole") + ("generation_config.json",):
    eos = ftjax.load(best).tokenizer.eos_token_id
    assert json.loads((best / file).read_text())["eos_token_id"] == eos


@pytest.mark.slow
def test_resume_with_new_rows_is_bitwise(source, rows, run, tmp_path):
  with toy.killed_after(3):
    finetune(config(source, rows, **RUNS["lora"]), tmp_path / "run")
  finetune(config(source, rows, **RUNS["lora"]), tmp_path / "run")
  for name in ("best", "final"):
    mine, whole = (lora.open_folder(x / name).tensors for x in (tmp_path / "run", run("lora")))
    assert mine.keys() == whole.keys() and any("token_adapter" in key for key in mine)
    assert all(mine[key].tobytes() == whole[key].tobytes() for key in mine)


def test_an_adapter_goes_on_where_it_ended(source, rows, run, tmp_path):
  go_on = RUNS["lora"] | dict(adapter__source=str(run("lora") / "final"), optim__learning_rate=1e-9)
  finetune(config(source, rows, **go_on), tmp_path / "run")
  before, after = (lora.open_folder(x / "final").tensors for x in (run("lora"), tmp_path / "run"))
  assert before.keys() == after.keys()
  for key, x in before.items():
    np.testing.assert_allclose(after[key], x, rtol=0, atol=1e-6)


def test_a_merged_model_is_saved_whole(run, tmp_path):
  model = ftjax.load(run("lora") / "final", pad_vocab_to=50)
  model.save(tmp_path / "merged")
  merged = ftjax.load(tmp_path / "merged")
  assert merged.hf_config["vocab_size"] == 262 and set(merged.variables) == {"params"}
  ids = np.array([[1, 260, 70, 261, 80]])
  np.testing.assert_allclose(merged.logits(ids), model.logits(ids), rtol=0, atol=1e-5)
  run_ = lambda m: [c.ids for c in m.generator.generate(ids.tolist(), max_new_tokens=8)]
  assert run_(merged) == run_(model)


def test_an_adapter_apart_from_its_run_is_judged_beside_its_base(run, rows, tmp_path):
  """The base gets rows for the tokens that the adapter's tokenizer has; its path still holds there."""
  c = evaluation_config()
  c.source = str(shutil.copytree(run("lora") / "best", tmp_path / "as deep" / "adapter"))
  c.data.validation, c.data.max_length, c.samples = str(rows), 48, 0
  c.output = str(tmp_path / "out")
  scores = evaluate(c)
  assert scores["tuned"]["tokens"] == scores["base"]["tokens"] > 0
  assert np.isfinite(scores["base"]["loss"]) and scores["base"]["loss"] != scores["tuned"]["loss"]


def test_requests_that_cannot_be_met(source, rows, tmp_path):
  refuse = lambda match, **changes: pytest.raises(InputError, match=match)
  for match, changes in {
    "'<s>' is a token of this model already": dict(model__new_tokens="<x>, <s>"),
    "an empty token": dict(model__new_tokens="<x>,, <y>"),
    "'<x>' twice": dict(model__new_tokens="<x>, <x>=more"),
    "needs these, and adapter.kind=none": dict(RUNS["lora"], model__new_tokens_only=True),
    "needs these": dict(model__new_tokens="", model__new_tokens_only=True),
    "adapter.targets has model.embed_tokens, and model.new_tokens trains rows of it": dict(
      RUNS["lora"], adapter__targets="q_proj,embed_tokens"
    ),
    "adapter.targets has lm_head, and .* PEFT has no form": dict(
      RUNS["lora"], adapter__targets="lm_head"
    ),
  }.items():
    with refuse(match):
      finetune(config(source, rows, **changes), tmp_path / "run")
  bare = shutil.copytree(source, tmp_path / "bare", ignore=shutil.ignore_patterns("tokenizer*"))
  with refuse("needs a tokenizer"):
    ftjax.load(bare, new_tokens="<x>")
  biased = tiny_checkpoint("gptj", tmp_path / "gptj", vocab_size=260)
  make().save_pretrained(biased)
  with refuse("this model's head has a bias"):
    finetune(config(biased, rows, **RUNS["rows"]), tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_descriptions_are_read_with_the_old_tokens():
  tok = make()
  begins = tokenizers.add_tokens(tok, "<a>=ab, <b>=<a>, <c>")
  assert list(begins) == [260, 261, 262]
  assert begins[260] == tuple(tok("ab", add_special_tokens=False).input_ids) and begins[262] == ()
  assert len(begins[261]) == 3  # "<a>" was no token yet
