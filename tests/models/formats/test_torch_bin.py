"""PyTorch's own files, read without PyTorch: the same bits."""

import json
import shutil

import numpy as np
import pytest
import torch

from ftjax.models import hf
from ftjax.models.formats import torch_bin
from ftjax.models.tensors import SINGLE
from tests.models.folders import written
from tests.models.reference import assert_same_bits, tensors_of


def state_of(folder) -> dict:
  return {k: torch.from_numpy(v) for k, v in tensors_of(folder).items()}


@pytest.fixture
def folder(variant, tmp_path):
  """A copy of the tiny llama without its weights."""
  to = shutil.copytree(variant("llama"), tmp_path / "model")
  (to / SINGLE).unlink()
  return to


@pytest.mark.parametrize("new", [True, False], ids=["zip", "before 1.6"])
def test_a_file_of_torch_save(variant, folder, tmp_path, new):
  state = state_of(variant("llama"))
  torch.save(state, folder / torch_bin.SINGLE, _use_new_zipfile_serialization=new)
  assert hf.open_checkpoint(folder).format == "PyTorch .bin"
  assert_same_bits(tensors_of(written(folder, tmp_path / "out")), tensors_of(variant("llama")))


def test_a_state_dict_as_models_give_it(variant, folder, tmp_path):
  """Parameters, an OrderedDict with metadata, tied tensors that share a storage."""
  from tests.tiny import torch_model

  model = torch_model(variant("llama, tied"))
  state = model.state_dict(keep_vars=True)
  assert isinstance(state["model.norm.weight"], torch.nn.Parameter) and state._metadata
  torch.save(state, folder / torch_bin.SINGLE)
  shutil.copy(variant("llama, tied") / "config.json", folder)
  found = tensors_of(written(folder, tmp_path / "out"))
  assert_same_bits(found, tensors_of(variant("llama, tied")))


def test_shards_and_their_dtypes(variant, folder, tmp_path):
  kinds = [torch.float32, torch.float16, torch.bfloat16, torch.float64]
  state = {k: v.to(kinds[i % 4]) for i, (k, v) in enumerate(state_of(variant("llama")).items())}
  names = list(state)
  files = {"pytorch_model-1.bin": names[::2], "pytorch_model-2.bin": names[1::2]}
  for file, some in files.items():
    torch.save({k: state[k] for k in some}, folder / file)
  where = {k: file for file, some in files.items() for k in some}
  (folder / torch_bin.INDEX).write_text(json.dumps({"weight_map": where}))
  found = tensors_of(written(folder, tmp_path / "out"))
  assert_same_bits(found, {k: v.float().numpy() for k, v in state.items()})


def test_views_are_read_through_their_strides(tmp_path):
  big = torch.randn(7, 11)
  views = {
    "turned": big.t(), "rows": big[2:5], "columns": big[:, 3:8], "turned columns": big[:, 3:8].t(),
    "one": big[3, 4], "row": big[6], "empty": big[:0], "deep": torch.randn(3, 5, 2).transpose(0, 1),
  }  # fmt: skip
  path = tmp_path / "x.bin"
  torch.save(views, path)
  found = torch_bin.tensors(path)
  assert found.keys() == views.keys()
  for name, view in views.items():
    whole = tuple((0, n) for n in view.shape)
    np.testing.assert_array_equal(found[name].read(whole), view.numpy())
    part = tuple((n // 3, n - n // 4) for n in view.shape)
    slices = tuple(slice(*p) for p in part)
    np.testing.assert_array_equal(found[name].read(part), view.numpy()[slices])


def test_safetensors_come_first(variant, tmp_path):
  folder = shutil.copytree(variant("llama"), tmp_path / "model")
  torch.save({"other": torch.zeros(1)}, folder / torch_bin.SINGLE)
  assert hf.open_checkpoint(folder).format == "safetensors"
