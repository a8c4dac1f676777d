"""What users name as a model, and how an adapter names its base."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from huggingface_hub import constants

from ftjax import sources
from ftjax.config import InputError
from ftjax.models import hf, hub, lora
from ftjax.pretrained import open_source
from ftjax.text.tokenizer import stop_ids
from tests.train import toy

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def adapter_in(folder, checkpoint, base):
  c = checkpoint
  targets = lora.choose(c.config, c.table, "q_proj")
  adapter = lora.init(jax.random.key(0), c.config, targets, rank=2, alpha=4)
  lora.write(folder, adapter, c.config, c.table, base=base.source, revision=base.revision)
  return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
  return toy.save_model(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture
def project(tiny, tmp_path):
  """A folder with base/ and run/best/, an adapter for it."""
  base = shutil.copytree(tiny, tmp_path / "project" / "models" / "base")
  checkpoint, best = hf.open_checkpoint(base), tmp_path / "project" / "run" / "best"
  adapter_in(best, checkpoint, sources.as_written(str(base), "", checkpoint, best))
  config = {"model.source": str(base), "model.revision": ""}
  (best.parent / "config.json").write_text(json.dumps(config))
  return tmp_path / "project"


def test_a_base_and_its_adapter_are_moved_together(project, tmp_path, monkeypatch):
  named = json.loads((project / "run" / "best" / lora.SETTINGS).read_text())
  assert named["base_model_name_or_path"] == "../../models/base" and "revision" not in named
  moved = project.rename(tmp_path / "moved")
  monkeypatch.chdir(tmp_path)
  for folder in (moved / "run" / "best", Path("moved/run/best")):
    found = sources.base_of(folder)
    assert Path(found.source).samefile(moved / "models" / "base") and found.revision == ""
  # The run's config names a place that is gone.
  assert Path(sources.base_of_run(moved / "run").source).samefile(moved / "models" / "base")


def test_an_adapter_that_was_moved_alone_says_so(project, tmp_path):
  alone = shutil.copytree(project / "run" / "best", tmp_path / "alone")
  with pytest.raises(
    InputError, match="names the base '../../models/base'.* was moved. Give the base"
  ):
    sources.base_of(alone)


def test_a_hub_base_is_named_with_the_commit_that_was_trained_on(tiny, tmp_path, monkeypatch):
  snapshot = tmp_path / "hub" / "models--me--tiny" / "snapshots" / COMMIT
  shutil.copytree(tiny, snapshot)
  (snapshot.parent.parent / "refs").mkdir()
  (snapshot.parent.parent / "refs" / "v1").write_text(COMMIT)
  monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
  checkpoint = hf.open_checkpoint(hf.resolve("me/tiny", "v1"))
  base = sources.as_written("me/tiny", "v1", checkpoint, tmp_path / "best")
  assert base == ("me/tiny", COMMIT)
  best = adapter_in(tmp_path / "best", checkpoint, base)
  assert sources.base_of(best) == base  # main is not even in the cache
  assert hf.resolve(*sources.base_of(best)) == snapshot
  from peft import PeftConfig

  read = PeftConfig.from_pretrained(str(best))
  assert (read.base_model_name_or_path, read.revision) == base


def test_the_starter_and_quantized_bases_have_names_of_their_own(tmp_path):
  starter = hf.open_checkpoint(hub.STARTER)
  assert sources.as_written("starter", "", starter, tmp_path / "best") == ("starter", "")
  quantized = SimpleNamespace(quantized=SimpleNamespace(base=str(tmp_path / "full")))
  base = sources.as_written("nf4", "", quantized, tmp_path / "run" / "best")
  assert base == ("../../full", "")


def test_a_run_means_its_best_model(project):
  assert sources.find(project / "run") == project / "run" / "best"
  shutil.rmtree(project / "run" / "best")
  with pytest.raises(InputError, match="is a run that has no best/ yet. Wait for its end"):
    sources.find(project / "run")


@pytest.mark.parametrize("name", ["run", "run/best"])
def test_an_adapter_is_not_trained_as_a_model(project, name):
  with pytest.raises(
    InputError, match=r"is an adapter.* model.source=\S*base adapter.source=\S*best"
  ):
    open_source(str(project / name))


def test_a_folder_that_was_perhaps_meant(project, monkeypatch):
  monkeypatch.chdir(project)
  with pytest.raises(InputError, match="If a folder was meant: models/ is here and has base."):
    hf.resolve("models/nothere")


def test_ids_that_end_a_text_are_those_of_generation_config_else_of_config():
  tok = SimpleNamespace(eos_token_id=2)
  assert stop_ids(tok, {}, {"eos_token_id": [5, 2]}) == (2, 5)
  assert stop_ids(tok, {"eos_token_id": 7}, {"eos_token_id": 5}) == (2, 7)
  assert stop_ids(tok, {"eos_token_id": None}, {"eos_token_id": 5}) == (2,)
  for wrong in ("</s>", [True], [[1]], 2.5, -1, {"a": 1}):
    with pytest.raises(
      InputError, match="eos_token_id of generation_config.json .* an id of a token"
    ):
      stop_ids(tok, {}, {"eos_token_id": wrong})


def test_training_and_generation_end_at_the_same_ids(project):
  from ftjax.language_model import LanguageModel

  base = project / "models" / "base"
  config = json.loads((base / "config.json").read_text())
  (base / "config.json").write_text(json.dumps(config | {"eos_token_id": [11, 12]}))
  (base / "generation_config.json").unlink(missing_ok=True)
  opened = open_source(str(base))
  model = LanguageModel(opened.checkpoint, {"params": {}}, None)
  assert opened.stops == model.stop_ids == (11, 12)


def test_exports_name_the_ids_that_end_a_text(project, tmp_path):
  from ftjax.models import export

  c = hf.open_checkpoint(project / "models" / "base")
  (c.folder / "generation_config.json").write_text('{"eos_token_id": 5, "top_k": 3}')
  read = lambda name: json.loads((tmp_path / "out" / name).read_text())
  params = hf.read(c, np.float32)
  export.write(
    tmp_path / "out", params, c.config, c.table, c.hf_config, source=c.folder, ends=(2, 5)
  )
  assert read("config.json")["eos_token_id"] == [2, 5]
  assert read("generation_config.json") == {"eos_token_id": [2, 5], "top_k": 3}
  assert export.with_ends({"eos_token_id": [5, 2]}, (2, 5)) == {"eos_token_id": [5, 2]}
  assert export.with_ends({}, (2,)) == {"eos_token_id": 2}
