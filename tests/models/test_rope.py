"""Rope scalings: transformers' own frequencies at any length, each document by its own length."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from transformers import LlamaConfig, Phi3Config
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from ftjax.generate.generator import Generator
from ftjax.models import fields, hf, rope
from tests.families import VARIANTS
from tests.models.reference import difference, ours, quiet, rows, theirs
from tests.tiny import torch_model, write_checkpoint

SCALED = [
  name for name, v in VARIANTS.items()
  if v.kind in ("llama", "phi3") and v.fields.get("rope_parameters", {}).get("factor", 1) != 1
  or name == "phi3, longrope"
]  # fmt: skip


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("length", [1, 23, 24, 61, 5000])
def test_frequencies_are_those_of_transformers(name, length):
  kind, given, *_ = VARIANTS[name]
  theirs = {"llama": LlamaConfig, "phi3": Phi3Config}[kind](**given)
  compute = ROPE_INIT_FUNCTIONS[theirs.rope_parameters["rope_type"]]
  expected, factor = compute(theirs, "cpu", seq_len=length)
  expected = expected.numpy()
  H = given["hidden_size"] // given["num_attention_heads"]
  mine = fields.rope(fields.Fields(theirs.to_dict()), H, partial=1.0)
  position = jnp.ones((1, 1), jnp.int32)  # where the angle is the frequency
  table = rope.table(mine, position, jnp.full((1, 1), length))
  np.testing.assert_allclose(table.sin.ravel(), np.sin(expected) * factor, rtol=2e-6)
  np.testing.assert_allclose(table.cos.ravel(), np.cos(expected) * factor, rtol=2e-6)


def test_every_scaling_is_among_them():
  kinds = {VARIANTS[name].fields["rope_parameters"]["rope_type"] for name in SCALED}
  assert kinds == fields.SCALINGS.keys() - {"default"}


@pytest.mark.parametrize("name", ["llama, dynamic", "phi3, longrope"])
def test_a_packed_document_turns_by_its_own_length(variant, name):
  """One that is longer than the original length beside one that is not, and padding."""
  batch = rows(((30, 19), (11, 37)), 53)
  with quiet():
    expected = theirs(torch_model(variant(name)), batch)
  assert difference(ours(variant(name), batch), expected, batch) < 1e-4


def test_a_completion_turns_by_what_it_may_become(tmp_path):
  """Two prompts of one batch, of which one stays within the original length of 23."""
  with quiet():
    kind, given, *_ = VARIANTS["phi3, longrope"]
    checkpoint = hf.open_checkpoint(write_checkpoint(kind, given, tmp_path / kind, noise=0.5))
  prompts = [list(range(40, 50)), list(range(3, 28))]
  ours = Generator(checkpoint.config, hf.read(checkpoint, jnp.float32))
  found = [list(c.ids) for c in ours.generate(prompts, max_new_tokens=13)]
  with quiet():
    model = torch_model(checkpoint.folder)
  for prompt, ids in zip(prompts, found, strict=True):
    ids_there = model.generate(
      torch.tensor([prompt]), max_new_tokens=13, do_sample=False, pad_token_id=0
    )
    assert ids_there[0, len(prompt) :].tolist() == ids
  together = ours.generate(prompts[:1], max_new_tokens=14)[0].ids  # may now become 24 long
  assert list(together)[:13] != found[0]
