"""Ways in which one model is spelled in different checkpoints."""

import json
import shutil

import numpy as np
import pytest
import safetensors.numpy

from ftjax.models import families, hf
from ftjax.models.rope import Linear
from ftjax.models.tensors import SINGLE
from tests.models.reference import difference, ours, quiet, rows, theirs
from tests.tiny import torch_model


def _with_config(folder, to, change):
  shutil.copytree(folder, to)
  config = json.loads((to / "config.json").read_text())
  change(config)
  (to / "config.json").write_text(json.dumps(config))
  return to


SPELLINGS = {
  "theta": ("llama, theta", lambda p: dict(rope_theta=p["rope_theta"])),
  "linear": (
    "llama, linear",
    lambda p: dict(rope_theta=10_000.0, rope_scaling=dict(type="linear", factor=4.0)),
  ),
  "llama3": (
    "llama, llama3",
    lambda p: dict(
      rope_theta=p["rope_theta"], rope_scaling={k: v for k, v in p.items() if k != "rope_theta"}
    ),
  ),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_rope_as_transformers_4_spells_it(variant, tmp_path, name):
  new, old = SPELLINGS[name]

  def change(config):
    config |= old(config.pop("rope_parameters"))

  folder = _with_config(variant(new), tmp_path / "old", change)
  assert "rope_parameters" not in json.loads((folder / "config.json").read_text())
  rope = hf.open_checkpoint(folder).config.rope
  assert rope == hf.open_checkpoint(variant(new)).config.rope
  assert rope != hf.open_checkpoint(variant("llama")).config.rope
  batch = rows()
  with quiet():
    reference = theirs(torch_model(folder), batch)
  assert difference(ours(folder, batch), reference, batch) < 1e-4


def test_rope_scaling_counts_where_a_config_has_both(variant, tmp_path):
  both = lambda config: config.update(rope_scaling=dict(rope_type="linear", factor=2.0))
  rope = hf.open_checkpoint(
    _with_config(variant("llama, theta"), tmp_path / "both", both)
  ).config.rope
  assert rope.scaling == Linear(2.0)


@pytest.mark.parametrize("name", ["gpt2", "gpt2, untied, inner"])
def test_gpt2_as_it_was_published(variant, tmp_path, name):
  """Names without "transformer.", and the causal mask as a buffer of each layer."""
  folder = tmp_path / "published"
  shutil.copytree(variant(name), folder)
  tensors = safetensors.numpy.load_file(folder / SINGLE)
  published = {k.removeprefix("transformer."): v for k, v in tensors.items()}
  assert published.keys() != tensors.keys()
  for layer in range(2):
    published[f"h.{layer}.attn.bias"] = np.tril(np.ones((1, 1, 128, 128), np.uint8))
  safetensors.numpy.save_file(published, folder / SINGLE)

  batch = rows()
  assert np.array_equal(ours(folder, batch), ours(variant(name), batch))
  table = hf.open_checkpoint(folder).table  # Adapters and exports have the names of today.
  assert all(w.hf_name.startswith(("transformer.", "lm_head.")) for w in table)


def test_aliases_are_those_of_transformers():
  from transformers.models.auto.configuration_auto import CONFIG_MAPPING

  for alias, kind in families.ALIASES.items():
    assert CONFIG_MAPPING[alias] is CONFIG_MAPPING[kind]
    assert hf.load_family({"model_type": alias}) is hf.load_family({"model_type": kind})
