"""Llama as Meta ships it, against the same model in transformers' layout."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from ftjax.config import InputError
from ftjax.models import hf
from ftjax.models.formats import meta
from tests.families import VARIANTS
from tests.models.folders import written
from tests.models.reference import assert_same_bits, ours, quiet, rows, tensors_of
from tests.tiny import write_checkpoint

OURS = {theirs: (name, axis) for theirs, (name, axis) in meta._NAMES.items()}
PARAMS = dict(
  dim=32, n_layers=2, n_heads=4, n_kv_heads=2, multiple_of=8, norm_eps=1e-6, vocab_size=-1
)  # fmt: skip


def interleaved(x, width: int):
  """The rows of transformers' q or k in Meta's order: halves of a head become pairs."""
  return x.reshape(-1, 2, width // 2, x.shape[1]).swapaxes(1, 2).reshape(x.shape)


def by_meta(source, to, ranks: int, tokens_axis: int = 0, params=PARAMS):
  """Writes a Hugging Face folder's llama as Meta would."""
  tensors = tensors_of(source)
  found = {}
  for theirs, (name, axis) in OURS.items():
    for l in range(params["n_layers"]) if "{}" in name else [None]:
      x = tensors.get(name.format(l))
      if theirs.endswith(("wq.weight", "wk.weight")):
        x = interleaved(x, params["dim"] // params["n_heads"])
      if x is not None:
        found[theirs if l is None else f"layers.{l}.{theirs}"] = torch.from_numpy(x.copy()), axis
  found["tok_embeddings.weight"] = (
    torch.from_numpy(tensors["model.embed_tokens.weight"]),
    tokens_axis,
  )
  found["rope.freqs"] = torch.zeros(4), None
  to.mkdir()
  for rank in range(ranks):
    part = {k: x if a is None else x.chunk(ranks, a)[rank].clone() for k, (x, a) in found.items()}
    if "output.weight" not in part:
      part["output.weight"] = part["tok_embeddings.weight"]
    torch.save(part, to / f"consolidated.{rank:02d}.pth")
  (to / meta.PARAMS).write_text(json.dumps(params))
  return to


@pytest.mark.parametrize("ranks, tokens_axis", [(1, 0), (2, 1)])
def test_ranks_joined_and_rows_turned(variant, tmp_path, ranks, tokens_axis):
  """Llama 1 and 2 split the token table's width over the ranks."""
  folder = by_meta(variant("llama"), tmp_path / "meta", ranks, tokens_axis)
  c = hf.open_checkpoint(folder)
  assert c.format == "Meta .pth" and c.config == hf.open_checkpoint(variant("llama")).config.with_(
    max_length=2048
  )
  assert_same_bits(tensors_of(written(folder, tmp_path / "out")), tensors_of(variant("llama")))
  batch = rows()
  assert np.array_equal(ours(folder, batch), ours(variant("llama"), batch))


@pytest.fixture(scope="module")
def even(tmp_path_factory):
  """A llama whose vocabulary two ranks can share."""
  fields = VARIANTS["llama"].fields | dict(vocab_size=96)
  with quiet():
    return write_checkpoint("llama", fields, tmp_path_factory.mktemp("even") / "llama")


def test_llama_3_splits_the_vocabulary(even, tmp_path):
  folder = by_meta(
    even, tmp_path / "meta", 2, 0, PARAMS | dict(vocab_size=96, rope_theta=500_000.0)
  )
  rope = hf.read_config(folder)["rope_parameters"]
  assert rope == {"rope_type": "default", "rope_theta": 500_000.0}
  assert hf.open_checkpoint(folder).config.max_length == 8192
  assert_same_bits(tensors_of(written(folder, tmp_path / "out")), tensors_of(even))


def test_rope_scaling_and_the_tied_head_of_llama_3(variant, tmp_path):
  scaled = PARAMS | dict(use_scaled_rope=True, rope_theta=500_000.0)
  big = by_meta(variant("llama"), tmp_path / "3.1", 1, 0, scaled)
  sizes = dict(dim=36, n_layers=3, n_heads=6, n_kv_heads=1)
  small = by_meta(variant("llama, tied"), tmp_path / "3.2", 1, 0, scaled | sizes)
  rope = VARIANTS["llama, llama3"].fields["rope_parameters"]
  for folder, factor in ((big, 8.0), (small, 32.0)):
    expected = rope | dict(factor=factor, original_max_position_embeddings=8192)
    assert hf.read_config(folder)["rope_parameters"] == expected
    assert hf.open_checkpoint(folder).config.max_length == 131_072
  assert (hf.open_checkpoint(big).config.tied, hf.open_checkpoint(small).config.tied) == (
    False,
    True,
  )
  found = tensors_of(written(tmp_path / "3.2", tmp_path / "out"))
  assert_same_bits(found, tensors_of(variant("llama, tied")))


def test_a_part_of_a_turned_and_joined_tensor(variant, tmp_path):
  """Rows that begin and end within heads, and across ranks."""
  folder = by_meta(variant("llama"), tmp_path / "meta", 2, 1)
  stored = hf.open_checkpoint(folder).stored["model.layers.1.self_attn.q_proj.weight"]
  whole = tensors_of(variant("llama"))["model.layers.1.self_attn.q_proj.weight"]
  for a, b in ((0, 32), (3, 29), (5, 6), (14, 18)):
    np.testing.assert_array_equal(stored.read(((a, b), (7, 30))), whole[a:b, 7:30])


def _drop(folder):
  (folder / "consolidated.00.pth").unlink()


def _params(**changes):
  return lambda folder: (folder / meta.PARAMS).write_text(json.dumps(PARAMS | changes))


def _another(folder):
  state = torch.load(folder / "consolidated.01.pth", weights_only=True)
  state["layers.0.attention.wo.weight"] = torch.zeros(31, 16)
  torch.save(state, folder / "consolidated.01.pth")


def _fewer(folder):
  torch.save({"norm.weight": torch.zeros(32)}, folder / "consolidated.01.pth")


FOLDERS = {
  r"lacks some of its consolidated.\*.pth: it has \[1\]": _drop,
  "no params.json": lambda f: (f / meta.PARAMS).unlink(),
  "says dim='big', and it must be a whole number": _params(dim="big"),
  "says norm_eps=None, and it must be a number above 0": _params(norm_eps=None),
  "says rope_theta='far', and it must be a number above 0": _params(rope_theta="far"),
  "says n_kv_heads=1000000000000, .* from 1 to 1024": _params(n_kv_heads=10**12),
  "fields that ftjax does not understand: moe={'num_experts': 8}": _params(moe=dict(num_experts=8)),
  "dim 32 is no multiple of n_heads 5": _params(n_heads=5),
  "of shape .*: no heads of 32": _params(n_heads=1, n_kv_heads=1),
  "parts of layers.0.attention.wo.weight that do not fit together": _another,
  "does not have the tensors that consolidated.00.pth has": _fewer,
}


@pytest.mark.parametrize("message", FOLDERS)
def test_folders_that_do_not_fit_together(variant, tmp_path, message):
  folder = by_meta(variant("llama"), tmp_path / "meta", 2, 1)
  FOLDERS[message](folder)
  with pytest.raises(InputError, match=message):
    hf.open_checkpoint(folder)


def test_bfloat16_as_meta_ships(variant, tmp_path):
  folder = by_meta(variant("llama"), tmp_path / "meta", 1)
  path = folder / "consolidated.00.pth"
  state = {k: v.bfloat16() for k, v in torch.load(path, weights_only=True).items()}
  torch.save(state, path)
  leaves = hf.read(hf.open_checkpoint(folder))["params"]
  assert leaves["embed"]["tokens"].dtype == jnp.bfloat16
