"""How much room the rows and prompts of an evaluation have; nothing is compiled here."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from configs.evaluate import get_config
from ftjax import comparison
from ftjax.comparison import Comparison
from ftjax.config import InputError
from ftjax.language_model import LanguageModel
from ftjax.models.families import llama
from tests.text.conftest import make
from tests.train import toy

CONTEXT = 40
VIRTUAL = {
  "prompt": {"prompt": {"embed": {"rows": np.zeros((7, 16), np.float32)}}},
  "prefix": {"prefix": {"layers": {"attention": {"key": np.zeros((2, 7, 2, 4), np.float32)}}}},
}


def _model(**variables):
  config = llama.config(toy.HF | {"vocab_size": 264, "max_position_embeddings": CONTEXT})
  checkpoint = SimpleNamespace(config=config, hf_config={}, folder="a/model")
  return LanguageModel(checkpoint, {"params": {}, **variables}, make())


@pytest.fixture
def config(tmp_path):
  """Of an evaluation on rows that are longer than any context here."""
  rows = [{"prompt": "x" * n, "completion": "y" * 40} for n in (4, 22, 28)]
  (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
  c = get_config()
  c.data.validation, c.data.separator, c.max_new_tokens = str(tmp_path / "rows.jsonl"), "\n", 10
  return c


@pytest.mark.parametrize("kind", VIRTUAL)
def test_virtual_tokens_take_room_from_rows_and_from_texts(config, kind):
  """A row at a position that the model does not have had a loss of nan."""
  assert _model().room == CONTEXT
  model = _model(**VIRTUAL[kind])
  assert model.room == CONTEXT - 7
  judge = Comparison(config, None, model)
  batch = next(iter(judge._batches()))
  longest = max(int((row > 0).sum()) for row in batch.segments)
  assert CONTEXT - 7 - 1 <= longest <= CONTEXT - 7
  ids = [len(p["ids"]) for p in judge.prompts]
  assert ids == [6, 24, 30] and [p["most"] for p in judge.prompts] == [10, 9, 3]


def test_a_model_without_room_for_the_rows_is_refused(config):
  judge = Comparison(config, None, _model())
  with pytest.raises(InputError, match=r"up to (39|40) tokens, and a/model has room for 33"):
    judge(_model(**VIRTUAL["prompt"]))


def test_a_base_with_other_ids_sees_the_end_of_what_is_too_long(config, monkeypatch):
  judge, asked = Comparison(config, None, _model()), {}

  def generate_and_score(generator, ids, references, most, **kwargs):
    asked.update(ids=ids, most=most)
    return {}, []

  monkeypatch.setattr(comparison, "generate_and_score", generate_and_score)
  small = _model(**VIRTUAL["prompt"])
  monkeypatch.setattr(LanguageModel, "generator", None)
  monkeypatch.setattr(small, "render", lambda asked: list(range(100)))
  judge(small, alike=False)
  assert all(
    ids[-1] == 99 and len(ids) + n == small.room for ids, n in zip(*asked.values(), strict=True)
  )
