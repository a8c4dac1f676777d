"""gpt-oss as it is published: experts in MXFP4, against transformers' own unpacking."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
import torch
from transformers import AutoModelForCausalLM, GptOssConfig, GptOssForCausalLM, Mxfp4Config
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

from ftjax import tree
from ftjax.config import InputError
from ftjax.models import export, hf
from ftjax.models.tensors import SINGLE
from ftjax.parallel import rules
from ftjax.parallel.mesh import make_mesh
from tests.models import reference

E, D, F = 4, 64, 96
NAMES = [
  f"model.layers.{l}.mlp.experts.{n}" for l in range(2) for n in ("gate_up_proj", "down_proj")
]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
  """A tiny gpt-oss whose experts are random codes with random scales."""
  folder = tmp_path_factory.mktemp("mxfp4")
  torch.manual_seed(0)
  config = GptOssConfig(
    vocab_size=97, hidden_size=D, intermediate_size=F, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, head_dim=16, num_local_experts=E, num_experts_per_tok=2, sliding_window=7,
    max_position_embeddings=64, pad_token_id=0, eos_token_id=1,
  )  # fmt: skip
  model = GptOssForCausalLM(config)
  for p in model.parameters():
    torch.nn.init.normal_(p, std=0.3)
  model.save_pretrained(folder)
  random = np.random.default_rng(0)
  tensors = safetensors.numpy.load_file(folder / SINGLE)
  for name in NAMES:
    _, inputs, outputs = tensors.pop(name).shape
    groups = E, outputs, inputs // 32
    tensors[name + "_blocks"] = random.integers(0, 256, (*groups, 16), np.uint8)
    tensors[name + "_scales"] = random.integers(121, 126, groups, np.uint8)
  safetensors.numpy.save_file(tensors, folder / SINGLE, {"format": "pt"})
  fields = json.loads((folder / "config.json").read_text())
  fields["quantization_config"] = {
    "quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "lm_head"]
  }  # fmt: skip
  (folder / "config.json").write_text(json.dumps(fields))
  return folder, tensors


def change(folder, to, **changed):
  """The folder with other tensors; None takes one away."""
  (to / "config.json").write_text((folder / "config.json").read_text())
  tensors = safetensors.numpy.load_file(folder / SINGLE) | changed
  safetensors.numpy.save_file({k: x for k, x in tensors.items() if x is not None}, to / SINGLE)
  return to


def test_the_numbers_are_those_that_transformers_unpacks(published):
  folder, tensors = published
  stored = hf.open_checkpoint(folder).stored
  for name in NAMES:
    blocks, scales = (torch.from_numpy(tensors[name + n]) for n in ("_blocks", "_scales"))
    expected = convert_moe_packed_tensors(blocks, scales, dtype=torch.float32).numpy()
    whole = tuple((0, n) for n in stored[name].shape)
    assert np.array_equal(stored[name].read(whole).astype(np.float32), expected)
    part = ((1, 3), (5, 50), (7, 23))
    found = stored[name].read(part).astype(np.float32)
    assert np.array_equal(found, expected[tuple(slice(*ends) for ends in part)])


def test_logits_are_those_of_transformers(published):
  folder, _ = published
  model = AutoModelForCausalLM.from_pretrained(
    folder, quantization_config=Mxfp4Config(dequantize=True), dtype=torch.float32
  )
  rows = reference.rows()
  expected = reference.theirs(model.eval(), rows)
  assert reference.difference(reference.ours(folder, rows), expected, rows) < 2e-4


def test_a_mesh_reads_its_own_parts(published):
  folder, _ = published
  checkpoint = hf.open_checkpoint(folder)
  mesh = make_mesh(data=1, fsdp=4, tensor=2)
  place = lambda name, leaf: tree.flatten(rules.shardings(tree.unflatten({name: leaf}), mesh))[name]
  split, whole = hf.read(checkpoint, jnp.float32, place), hf.read(checkpoint, jnp.float32)
  reference.assert_same_bits(tree.flatten(split), tree.flatten(whole))


def test_it_is_written_unpacked(published, tmp_path):
  """And without a word of quantization, so that anybody reads it."""
  folder, _ = published
  c = hf.open_checkpoint(folder)
  to = tmp_path / "out"
  export.write(to, hf.read(c), c.config, c.table, c.hf_config, dtypes=hf.dtypes(c))
  assert "quantization_config" not in json.loads((to / "config.json").read_text())
  again = hf.open_checkpoint(to)
  assert again.stored[NAMES[0]].dtype == "BF16"
  reference.assert_same_bits(tree.flatten(hf.read(again)), tree.flatten(hf.read(c)))


def test_a_pair_that_is_none_is_refused(published, tmp_path):
  folder, tensors = published
  name = NAMES[0]
  cut = {f"{name}_scales": np.ascontiguousarray(tensors[name + "_scales"][:, :-1])}
  with pytest.raises(InputError, match=r"gate_up_proj_blocks U8\[4, 192, 2, 16\].*not MXFP4"):
    hf.open_checkpoint(change(folder, tmp_path, **cut))
  with pytest.raises(InputError, match="no tensor .*gate_up_proj_scales"):
    hf.open_checkpoint(change(folder, tmp_path, **{f"{name}_scales": None}))
