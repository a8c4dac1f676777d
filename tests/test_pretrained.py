"""What a run begins with, and what is known of it before a weight is read."""

import jax
import numpy as np
import pytest

from ftjax import planning
from ftjax.config import InputError
from ftjax.pretrained import open_run, shapes_of, variables_of
from tests.models.adapters import made, save
from tests.train import toy

pytestmark = [
  # transformers asks itself a question that it has deprecated, when peft wraps a model.
  pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
  pytest.mark.filterwarnings("ignore:Input and output embeddings are no longer tied"),
]
Q = dict(r=2, target_modules=["q_proj"])
ADAPTERS = {
  "pairs": Q,
  "rows": Q | dict(trainable_token_indices={"embed_tokens": [5, 1], "lm_head": [1, 7]}),
  "tables with pairs": dict(
    r=2, use_dora=True, target_modules=["embed_tokens", "q_proj", "lm_head"]
  ),
  "copies": Q | dict(modules_to_save=["norm", "lm_head"]),
}


@pytest.mark.parametrize("quantize", ["", "int8"])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("name", ADAPTERS)
def test_shapes_of_an_adapter_that_goes_on_are_those_it_has(tmp_path, name, tied, quantize):
  base = toy.save_model(tmp_path / "base", tie_word_embeddings=tied)
  save(made(base, ADAPTERS[name]), tmp_path / "adapter")
  adapter = {"adapter.kind": "lora", "adapter.source": str(tmp_path / "adapter")}
  config = toy.run_config(base, base, **adapter, **{"model.quantize": quantize})
  opened = open_run(config)
  forms = lambda variables: jax.tree.map(lambda x: (x.shape, np.dtype(x.dtype)), variables)
  expected = forms(variables_of(config, opened, None))
  assert forms(shapes_of(config, opened)) == expected
  planned = planning.described(config)
  assert forms((planned.trainable, planned.frozen)) == expected


def test_an_adapter_that_needs_the_weights_is_not_planned_without_them(tmp_path):
  base = toy.save_model(tmp_path / "base")
  save(made(base, ADAPTERS["tables with pairs"]), tmp_path / "adapter")
  adapter = {"adapter.kind": "lora", "adapter.source": str(tmp_path / "adapter")}
  (base / "model.safetensors").unlink()
  with pytest.raises(InputError, match="base has no weights.*model.embed_tokens.weight"):
    planning.described(toy.run_config(base, base, **adapter))
