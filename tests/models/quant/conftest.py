"""A small Llama, and the same quantized in a folder."""

import pytest

from ftjax import exporting
from tests.train import toy

SIZES = dict(hidden_size=128, intermediate_size=320, head_dim=32, num_hidden_layers=2)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
  folder = toy.save_model(tmp_path_factory.mktemp("model") / "llama", **SIZES)
  (folder / "generation_config.json").write_text('{"eos_token_id": 3}')
  (folder / "LICENSE").write_text("as you like")
  return folder


@pytest.fixture(scope="module")
def folder(full, tmp_path_factory):
  out = tmp_path_factory.mktemp("written") / "nf4"
  exporting.quantize(out, str(full), "nf4")
  return out
