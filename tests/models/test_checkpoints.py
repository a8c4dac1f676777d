"""Checkpoint folders that cannot be followed: a clear error for each, before anything is read."""

import json
import os
import shutil
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy

from ftjax.config import InputError
from ftjax.models import hf
from ftjax.models.tensors import INDEX, SINGLE
from tests.models.reference import tensors_of


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
  "model_type='llamma' is not supported. Supported: .*gpt2, .*gptj, .*llama.* Did you mean 'llama'": dict(
    model_type="llamma"
  ),
  "no model_type": dict(model_type=None),
  "no 'hidden_size'": dict(hidden_size=None),
  "does not understand for model_type='llama': window=4": dict(window=4),
  "rope scaling 'warp'; ftjax has default, linear, dynamic, llama3, yarn, longrope": dict(
    rope_parameters=dict(rope_type="warp", factor=2.0)
  ),
  "of type 'linear' and have no 'factor'": dict(rope_parameters=dict(rope_type="linear")),
  "rope parameters have fields .* {'attention_factor': 2.0}": dict(
    rope_parameters=dict(rope_type="default", attention_factor=2.0)
  ),
  "asks for the activation 'silo'.* Did you mean 'silu'": dict(hidden_act="silo"),
  "of the wrong shape: .*lm_head.weight": dict(vocab_size=98),
  "model_type='gemma3' is not supported. It reads images .* docs/models.md": dict(
    model_type="gemma3"
  ),
  "a rope over 7 dims of a head": dict(head_dim=7),
  "rope parameters have fields .* {'partial_rotary_factor': 0.5}": dict(
    rope_parameters=dict(rope_type="default", partial_rotary_factor=0.5)
  ),
  "of type 'longrope' and have no 'long_factor'": dict(
    rope_parameters=dict(rope_type="longrope", factor=2.0, short_factor=[1.0] * 4)
  ),
  "short_factor and long_factor have 3 and 4 numbers; the rope has 4 pairs": dict(
    rope_parameters=dict(
      rope_type="longrope", factor=2.0, short_factor=[1.0] * 3, long_factor=[1.0] * 4
    )
  ),
  "does not understand for model_type='mistral': layer_types=": dict(
    model_type="mistral", layer_types=["full_attention", "sliding_attention"]
  ),
  "layer_types has 'chunked_attention'; ftjax knows sliding_attention, full_attention": dict(
    model_type="qwen2", layer_types=["full_attention", "chunked_attention"]
  ),
  "layer_types names 1 layers of 2": dict(model_type="qwen2", layer_types=["full_attention"]),
  "layer_types has sliding_attention, and no sliding_window is set": dict(
    model_type="qwen2", layer_types=["full_attention", "sliding_attention"]
  ),
  r"rope_parameters has \['rope_type'\]; this family has full_attention": dict(
    model_type="gemma3_text", rope_parameters=dict(rope_type="default")
  ),
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


def _claims(**changes):
  """A header that says something else of the final norm."""

  def change(folder):
    data = (folder / SINGLE).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header[NORM] |= changes
    text = json.dumps(header).encode()
    (folder / SINGLE).write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])

  return change


def _index(folder, text):
  (folder / INDEX).write_text(text if isinstance(text, str) else json.dumps(text))


def _pipe(folder):
  (folder / SINGLE).unlink()
  os.mkfifo(folder / SINGLE)


def _device(folder):
  (folder / "x.safetensors").symlink_to("/dev/zero")
  _index(folder, {"weight_map": {"x": "x.safetensors"}})


def _long(folder):
  _index(folder, "{}")
  os.truncate(folder / INDEX, (1 << 26) + 1)


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
  "is not a whole safetensors file: .*": _claims(shape=[1 << 40]),
  "is not a whole safetensors file: .*i": _claims(data_offsets=[0, 1 << 44]),
  "is not a whole safetensors file: .*n": _claims(data_offsets=[0, 128]),
  "is not a whole safetensors file: .*v": _claims(data_offsets=[-128, 0]),
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
  "index.json has 67108865 bytes, which no such file needs": _long,
  "has no weights: .* It holds: .*model.safetensors": _pipe,
  "names 'x.safetensors', which is missing": _device,
  "has the tensor .* twice: in b.safetensors and in model.safetensors": _two,
}


@pytest.mark.parametrize("message", FOLDERS)
def test_folders_that_are_not_whole(copy, message):
  """No memory is taken for what is claimed."""
  FOLDERS[message](copy)
  tracemalloc.start()
  refused(copy, message)
  assert tracemalloc.get_traced_memory()[1] < 10 << 20
  tracemalloc.stop()


def test_weights_may_be_links_as_in_the_hubs_cache(variant, copy, tmp_path):
  (copy / SINGLE).rename(tmp_path / "blob")
  (copy / SINGLE).symlink_to(tmp_path / "blob")
  assert (
    hf.open_checkpoint(copy).stored.keys() == hf.open_checkpoint(variant("llama")).stored.keys()
  )


def test_a_file_that_is_cut_after_it_was_opened(copy):
  c = hf.open_checkpoint(copy)
  _truncate(copy)
  with pytest.raises(InputError, match="model.safetensors ends within the tensor .* Copy it again"):
    hf.read(c, np.float32)
