"""Checkpoint folders out and in again: the identity to the bit, one tensor at a time."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from safetensors import safe_open

from ftjax import tree
from ftjax.config import InputError
from ftjax.models import export, hf
from ftjax.models.tensors import INDEX, SINGLE
from ftjax.parallel import rules
from ftjax.parallel.mesh import make_mesh
from tests.models.folders import written
from tests.models.reference import assert_same_bits, quiet, tensors_of
from tests.tiny import torch_model


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


@pytest.fixture(scope="module")
def mixed(variant, tmp_path_factory):
  """A llama whose tensors have three dtypes, within layers and across them."""
  folder = tmp_path_factory.mktemp("mixed") / "llama"
  shutil.copytree(variant("llama, tied"), folder)

  def kind(name):
    if "norm" in name:
      return np.float32
    return np.float16 if "q_proj" in name or ".1.self_attn.k_proj" in name else jnp.bfloat16

  tensors = {name: x.astype(kind(name)) for name, x in tensors_of(folder).items()}
  safetensors.numpy.save_file(tensors, folder / SINGLE)
  return folder


def test_every_tensor_is_read_with_its_own_dtype(mixed, tmp_path):
  found = tensors_of(written(mixed, tmp_path / "out"))
  assert_same_bits(found, {k: v.astype(np.float32) for k, v in tensors_of(mixed).items()})


def test_mixed_dtypes_stay_mixed_to_the_bit(mixed, tmp_path):
  c = hf.open_checkpoint(mixed)
  variables = hf.read(c)
  layers = variables["params"]["layers"]["attention"]
  dtypes = [str(layers[name]["kernel"].dtype) for name in ("query", "key", "value")]
  assert dtypes == ["float16", "float32", "bfloat16"]  # The keys' dtypes differ by layer.
  export.write(
    tmp_path / "out", variables, c.config, c.table, c.hf_config,
    dtypes=hf.dtypes(c), shard_bytes=20_000,
  )  # fmt: skip
  assert_same_bits(tensors_of(tmp_path / "out"), tensors_of(mixed))
  for path in (tmp_path / "out").glob("*.safetensors"):  # Wide dtypes first: each is aligned.
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    header.pop("__metadata__")
    places = sorted((x["data_offsets"][0], x["dtype"] != "F32") for x in header.values())
    assert places == sorted(places, key=lambda place: place[1])
  with quiet():
    state = torch_model(tmp_path / "out").state_dict()
  found = {k: x.numpy() for k, x in state.items() if k != "lm_head.weight"}
  assert_same_bits(found, {k: x.astype(np.float32) for k, x in tensors_of(mixed).items()})


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_halves_keep_their_bits(variant, tmp_path, dtype):
  c = hf.open_checkpoint(variant("gpt2"))
  export.write(tmp_path / "half", hf.read(c, dtype), c.config, c.table, c.hf_config)
  c = hf.open_checkpoint(tmp_path / "half")
  export.write(tmp_path / "again", hf.read(c), c.config, c.table, c.hf_config)
  assert c.hf_config["dtype"] == str(jnp.dtype(dtype))
  assert_same_bits(tensors_of(tmp_path / "again"), tensors_of(tmp_path / "half"))


def test_a_lazy_leaf_is_asked_for_one_tensor_at_a_time(variant, tmp_path):
  """A merge on the way out: each tensor once, layer by layer, and none kept."""
  c = hf.open_checkpoint(variant("llama"))
  arrays = tree.flatten(hf.read(c, jnp.float32)["params"])
  asked = []

  def lazy(path):
    def get(index):
      asked.append((path, index))
      return arrays[path][index] * 2

    return export.Lazy(jnp.dtype(jnp.bfloat16), get)

  params = tree.unflatten({path: lazy(path) for path in arrays})
  export.write(tmp_path / "out", {"params": params}, c.config, c.table, c.hf_config)
  expected = {k: (v * 2).astype(jnp.bfloat16) for k, v in tensors_of(variant("llama")).items()}
  assert_same_bits(tensors_of(tmp_path / "out"), expected)
  assert len(asked) == len(set(asked)) == len(c.stored)
  layers = [index[0] for path, index in asked if path.startswith("layers")]
  assert layers == sorted(layers) and {index for path, index in asked} == {(), (0,), (1,)}


def test_sharded_arrays_are_gathered_and_no_copy_stays(variant, tmp_path):
  c = hf.open_checkpoint(variant("llama"))
  mesh = make_mesh(data=2, fsdp=2, tensor=2)
  place = lambda n, x: tree.flatten(rules.shardings(tree.unflatten({n: x}), mesh))[n]
  variables = hf.read(c, jnp.float32, place)
  export.write(tmp_path / "out", variables, c.config, c.table, c.hf_config)
  assert_same_bits(tensors_of(tmp_path / "out"), tensors_of(variant("llama")))
  split = [x for x in jax.tree.leaves(variables) if not x.is_fully_replicated]
  assert len(split) > 5 and all(x._npy_value is None for x in split)


def test_shards_are_those_of_huggingface_hub(variant, tmp_path):
  import torch
  from huggingface_hub import split_torch_state_dict_into_shards

  folder = written(variant("gptj"), tmp_path / "out", shard_bytes=30_000)
  index = json.loads((folder / INDEX).read_text())
  order = sorted(index["weight_map"], key=export._natural)
  tensors = tensors_of(folder)
  state = {name: torch.from_numpy(tensors[name]) for name in order}
  pattern = "model{suffix}.safetensors"
  expected = split_torch_state_dict_into_shards(
    state, max_shard_size=30_000, filename_pattern=pattern
  )
  assert (
    index["weight_map"] == expected.tensor_to_filename and len(expected.filename_to_tensors) > 3
  )
  assert index["metadata"] == expected.metadata | {
    "total_parameters": sum(x.size for x in tensors.values())
  }


TOKENIZER = {"tokenizer.json": "{}", "tokenizer_config.json": "{}", "chat_template.jinja": "hm"}


def test_what_goes_along(variant, tmp_path):
  folder = tmp_path / "source"
  shutil.copytree(variant("llama"), folder)
  legal = {"generation_config.json": '{"eos_token_id": [3, 5]}', "LICENSE.txt": "mine"}
  for name, text in (legal | TOKENIZER).items():
    (folder / name).write_text(text)
  (folder / "training_args.bin").write_text("not this")
  names = lambda out: {p.name for p in out.iterdir()} - {SINGLE, "config.json"}
  out = written(folder, tmp_path / "out")
  assert hf.generation_config(out) == {"eos_token_id": [3, 5]}
  assert names(out) == legal.keys() | TOKENIZER.keys()
  assert all((out / name).read_text() == text for name, text in (legal | TOKENIZER).items())
  assert names(written(folder, tmp_path / "bare", carried=export.LEGAL)) == legal.keys()


def test_a_link_that_leads_out_of_the_folder_is_not_copied(variant, tmp_path):
  """But those of the hub's cache are, which lead to its blobs."""
  secret = tmp_path / "secret"
  secret.write_text("key")
  folder = tmp_path / "models--a--b" / "snapshots" / "c0ffee"
  shutil.copytree(variant("llama"), folder)
  blobs = tmp_path / "models--a--b" / "blobs"
  blobs.mkdir()
  (blobs / "1").write_text("mine")
  (folder / "LICENSE").symlink_to("../../blobs/1")
  out = written(folder, tmp_path / "out")
  assert (out / "LICENSE").read_text() == "mine" and not (out / "LICENSE").is_symlink()
  (folder / "tokenizer.json").symlink_to(secret)
  with pytest.raises(InputError, match="tokenizer.json is a link to .*secret, outside the model"):
    written(folder, tmp_path / "out2")
  assert not (tmp_path / "out2").exists()


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
