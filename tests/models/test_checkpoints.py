"""Checkpoint folders in and out: the identity to the bit, and a clear error for everything else."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from safetensors import safe_open

from ftjax.config import InputError
from ftjax.models import export, hf
from ftjax.models.tensors import INDEX, SINGLE
from tests.models.reference import quiet
from tests.tiny import torch_model


def tensors_of(folder) -> dict:
  """Every tensor in every safetensors file of a folder."""
  files = sorted(folder.glob("*.safetensors"))
  return {k: v for f in files for k, v in safetensors.numpy.load_file(f).items()}


def assert_same_bits(x: dict, y: dict):
  assert x.keys() == y.keys()
  for name in x:
    assert x[name].dtype == y[name].dtype, name
    assert x[name].shape == y[name].shape, name
    assert x[name].tobytes() == y[name].tobytes(), name


def written(source, to, dtype=jnp.float32, **kwargs):
  """The folder that reading `source` and writing it again gives."""
  c = hf.open_checkpoint(source)
  export.write(to, hf.read(c, dtype), c.config, c.table, c.hf_config, source=c.folder, **kwargs)
  return to


@pytest.mark.parametrize(
  "name",
  ["llama, one head each", "llama, tied", "llama, wide heads", "llama, biases", "llama, llama3",
   "gpt2", "gpt2, untied, inner", "gptj, inner"],
)  # fmt: skip
def test_out_and_in_again_is_the_identity(variant, tmp_path, name):
  """The same names, shapes and bits as transformers wrote, and transformers reads them so."""
  source = variant(name)
  folder = written(source, tmp_path / "out")
  assert_same_bits(tensors_of(folder), tensors_of(source))
  with quiet():
    expected, found = torch_model(source), torch_model(folder)
  assert expected.config.to_dict() == found.config.to_dict() | {
    "_name_or_path": expected.config._name_or_path
  }
  state = found.state_dict()
  assert all((x == state[k]).all() for k, x in expected.state_dict().items())


def test_a_tied_head_is_still_tied_after_export(variant, tmp_path):
  with quiet():
    model = torch_model(written(variant("llama, tied"), tmp_path / "out"))
  assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()


def test_shards_with_an_index(variant, tmp_path):
  source = variant("llama")
  folder = written(source, tmp_path / "out", shard_bytes=20_000)
  index = json.loads((folder / INDEX).read_text())
  names = sorted(set(index["weight_map"].values()))
  assert len(names) > 2 and not (folder / SINGLE).exists()
  assert names == sorted(p.name for p in folder.glob("*.safetensors"))
  assert names[0] == f"model-00001-of-{len(names):05d}.safetensors"
  for name, file in index["weight_map"].items():
    with safe_open(folder / file, framework="numpy") as f:
      assert name in f.keys()  # noqa: SIM118
  tensors = tensors_of(source)
  assert index["metadata"]["total_size"] == sum(x.nbytes for x in tensors.values())
  assert_same_bits(tensors_of(folder), tensors)
  assert_same_bits(tensors_of(written(folder, tmp_path / "again")), tensors)
  with quiet():
    state = torch_model(folder).state_dict()
  assert all((x == state[k].numpy()).all() for k, x in tensors.items())


def test_bfloat16_and_its_way_through_float32(variant, tmp_path):
  half = written(variant("gpt2"), tmp_path / "half", jnp.bfloat16)
  assert json.loads((half / "config.json").read_text())["dtype"] == "bfloat16"
  assert {str(x.dtype) for x in tensors_of(half).values()} == {"bfloat16"}
  full = written(half, tmp_path / "full")
  assert json.loads((full / "config.json").read_text())["dtype"] == "float32"
  assert_same_bits(tensors_of(full), {k: v.astype(np.float32) for k, v in tensors_of(half).items()})
  assert_same_bits(tensors_of(written(full, tmp_path / "again", jnp.bfloat16)), tensors_of(half))


def test_every_tensor_is_read_with_its_own_dtype(variant, tmp_path):
  source = variant("llama")
  folder = tmp_path / "mixed"
  shutil.copytree(source, folder)
  tensors = tensors_of(source)
  kinds = [np.float32, np.float16, jnp.bfloat16, np.float64]
  mixed = {k: v.astype(kinds[i % 4]) for i, (k, v) in enumerate(tensors.items())}
  safetensors.numpy.save_file(mixed, folder / SINGLE)
  found = tensors_of(written(folder, tmp_path / "out"))
  assert_same_bits(found, {k: v.astype(np.float32) for k, v in mixed.items()})


def test_what_goes_along(variant, tmp_path):
  folder = tmp_path / "source"
  shutil.copytree(variant("llama"), folder)
  (folder / "generation_config.json").write_text('{"eos_token_id": [3, 5]}')
  (folder / "LICENSE.txt").write_text("mine")
  out = written(folder, tmp_path / "out")
  assert hf.generation_config(out) == {"eos_token_id": [3, 5]}
  assert (out / "LICENSE.txt").read_text() == "mine"


def test_nothing_is_left_of_an_export_that_failed(variant, tmp_path, monkeypatch):
  def full(*args, **kwargs):
    raise OSError(28, "No space left on device")

  source = variant("llama")
  out = written(source, tmp_path / "out")
  monkeypatch.setattr(export.safetensors, "write", full)
  with pytest.raises(OSError, match="No space left"):
    written(source, tmp_path / "new", jnp.bfloat16)
  with pytest.raises(InputError, match="is there already and not empty"):
    written(source, out, jnp.bfloat16)
  assert_same_bits(tensors_of(out), tensors_of(source))
  assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_adapter_is_not_dropped_in_silence(variant, tmp_path):
  c = hf.open_checkpoint(variant("llama"))
  with pytest.raises(ValueError, match="merge it first"):
    export.write(tmp_path / "out", {"params": {}, "lora": {}}, c.config, c.table, c.hf_config)


def test_arrays_stay_when_their_source_is_gone(variant, tmp_path):
  """On CPU arrays take over the memory they were read into: nothing else may write to it."""
  source = variant("llama")
  c = hf.open_checkpoint(source)
  first, second = hf.read(c, jnp.float32), hf.read(c, jnp.float32)
  before = jax.tree.map(np.array, first)
  donated = jax.jit(lambda x: jax.tree.map(jnp.zeros_like, x), donate_argnums=0)(second)
  jax.block_until_ready(donated)
  jax.tree.map(np.testing.assert_array_equal, first, before)


# What is refused.


@pytest.fixture
def copy(variant, tmp_path):
  """A copy of the tiny llama that may be broken."""
  return shutil.copytree(variant("llama"), tmp_path / "model")


def refused(folder, match):
  with pytest.raises(InputError, match=match):
    hf.open_checkpoint(folder)


NORM = "model.norm.weight"
TENSORS = {
  "missing: model.norm.weight": lambda t: t.pop(NORM),
  "unexpected: model.layers.7.more": lambda t: t.update({"model.layers.7.more": np.zeros(2, "f4")}),
  r"of the wrong shape: model.norm.weight is \(2,\), not \(32,\)": lambda t: t.update(
    {NORM: np.zeros(2, "f4")}
  ),
  "of a type other than F64, F32, F16, BF16 .*: model.norm.weight is I8": lambda t: t.update(
    {NORM: t[NORM].astype(np.int8)}
  ),
  "missing: .* and 2 more": lambda t: [t.pop(k) for k in list(t)[:7]],
}


@pytest.mark.parametrize("message", TENSORS)
def test_tensors_that_do_not_fit(copy, message):
  tensors = tensors_of(copy)
  TENSORS[message](tensors)
  safetensors.numpy.save_file(tensors, copy / SINGLE)
  refused(copy, message)


CONFIGS = {
  "model_type='llamma' is not supported. Supported: gpt2, gptj, llama.* Did you mean 'llama'": dict(
    model_type="llamma"
  ),
  "no model_type": dict(model_type=None),
  "no 'hidden_size'": dict(hidden_size=None),
  "does not understand for model_type='llama': window=4": dict(window=4),
  "rope scaling 'yarn'; ftjax has default, linear and llama3": dict(
    rope_parameters=dict(rope_type="yarn", factor=2.0)
  ),
  "of type 'linear' and have no 'factor'": dict(rope_parameters=dict(rope_type="linear")),
  "rope parameters have fields .* {'attention_factor': 2.0}": dict(
    rope_parameters=dict(rope_type="default", attention_factor=2.0)
  ),
  "asks for the activation 'silo'.* Did you mean 'silu'": dict(hidden_act="silo"),
  "of the wrong shape: .*lm_head.weight": dict(vocab_size=98),
}


@pytest.mark.parametrize("message", CONFIGS)
def test_configs_that_cannot_be_followed(copy, message):
  path = copy / "config.json"
  path.write_text(json.dumps(json.loads(path.read_text()) | CONFIGS[message]))
  refused(copy, message)


def test_flags_of_gpt2_and_gptj_that_change_the_mathematics(variant):
  from ftjax.models.families import gpt2, gptj

  read = lambda name: hf.read_config(variant(name))
  with pytest.raises(InputError, match="scale_attn_by_inverse_layer_idx=True.* not supported"):
    gpt2.config(read("gpt2") | dict(scale_attn_by_inverse_layer_idx=True))
  with pytest.raises(InputError, match="scale_attn_weights=False"):
    gpt2.config(read("gpt2") | dict(scale_attn_weights=False))
  with pytest.raises(InputError, match="tie_word_embeddings=True"):
    gptj.config(read("gptj") | dict(tie_word_embeddings=True))


def _truncate(folder):
  path = folder / SINGLE
  path.write_bytes(path.read_bytes()[:-100])


def _terabytes(folder):
  (folder / SINGLE).write_bytes((1 << 42).to_bytes(8, "little") + b"{}")


def _index(folder, text):
  (folder / INDEX).write_text(text if isinstance(text, str) else json.dumps(text))


def _two(folder):
  shutil.copy(folder / SINGLE, folder / "b.safetensors")
  _index(folder, {"weight_map": {"x": SINGLE, "y": "b.safetensors"}})


FOLDERS = {
  "has no config.json": lambda f: (f / "config.json").unlink(),
  "config.json is not valid JSON: line 2, column": lambda f: (f / "config.json").write_text(
    "{\n oh"
  ),
  "config.json holds list, not an object": lambda f: (f / "config.json").write_text("[]"),
  "config.json is not valid JSON: 'utf-8'": lambda f: (f / "config.json").write_bytes(b"\xff{}"),
  "has no weights: none of model.safetensors .* It holds: config.json": lambda f: (
    f / SINGLE
  ).unlink(),
  "is not a whole safetensors file: .* Download or copy it again": _truncate,
  "is not a whole safetensors file": _terabytes,
  "names 'gone.safetensors', which is missing": lambda f: _index(
    f, {"weight_map": {"x": "gone.safetensors"}}
  ),
  "points outside its folder: '../b.safetensors'": lambda f: _index(
    f, {"weight_map": {"x": "../b.safetensors"}}
  ),
  "points outside its folder: '/b.safetensors'": lambda f: _index(
    f, {"weight_map": {"x": "/b.safetensors"}}
  ),
  "is not a valid index: it needs a weight_map": lambda f: _index(f, {"weight_map": [1]}),
  "index.json is not valid JSON": lambda f: _index(f, "{"),
  "has the tensor .* twice: in b.safetensors and in model.safetensors": _two,
}


@pytest.mark.parametrize("message", FOLDERS)
def test_folders_that_are_not_whole(copy, message):
  FOLDERS[message](copy)
  refused(copy, message)


@pytest.mark.parametrize(
  "source, message",
  [
    ("./nowhere", "there is no such folder"),
    ("/nowhere/at/all", "there is no such folder"),
    (
      "nobody/nothing",
      "is no folder here and not in the hub's cache .*HF_HUB_OFFLINE is set",
    ),
    ("no such name", "is no folder here and cannot be a hub id, which is owner/name"),
  ],
)
def test_sources_that_are_not_there(source, message):
  with pytest.raises(InputError, match=message):
    hf.resolve(source)


def test_a_folder_is_its_own_source(variant):
  assert hf.resolve(str(variant("llama"))) == variant("llama")
