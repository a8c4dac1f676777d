"""The Flax checkpoints of GPT-2, GPT-Neo and GPT-J: the same tensors, read by the part."""

import json
import shutil
import struct
import tracemalloc

import flax.serialization
import jax.numpy as jnp
import msgpack
import numpy as np
import pytest

from ftjax.config import InputError
from ftjax.models import hf
from ftjax.models.formats import flax_msgpack
from ftjax.models.tensors import SINGLE
from tests.models.folders import written
from tests.models.reference import assert_same_bits, tensors_of


def flax_tree(tensors: dict) -> dict:
  """PyTorch's names and layouts as Flax's modules have them: Dense kernels are input first, and so
  is FlaxConv1D's transposed (transformers 4, modeling_flax_gpt2.py), norms have a scale, tables an
  embedding."""
  tree: dict = {}
  for name, x in tensors.items():
    *parents, last = name.split(".")
    node = tree
    for parent in parents:
      node = node.setdefault(parent, {})
    if last == "weight" and parents[-1] in ("wte", "wpe"):
      node["embedding"] = x
    elif last == "weight":
      node["kernel" if x.ndim == 2 else "scale"] = x.T.copy() if x.ndim == 2 else x
    else:
      node[last] = x
  return tree


@pytest.fixture
def folder(variant, tmp_path):
  """fn(name of a variant) -> a copy without its weights."""

  def make(name):
    to = shutil.copytree(variant(name), tmp_path / "model")
    (to / SINGLE).unlink()
    return to

  return make


@pytest.mark.parametrize("name", ["gptj", "gpt2", "gpt2, untied, inner"])
def test_a_flax_checkpoint(variant, folder, tmp_path, name):
  to, tensors = folder(name), tensors_of(variant(name))
  content = flax.serialization.msgpack_serialize({"params": flax_tree(tensors)})
  (to / flax_msgpack.SINGLE).write_bytes(content)
  assert hf.open_checkpoint(to).format == "Flax msgpack"
  assert_same_bits(tensors_of(written(to, tmp_path / "out")), tensors)


def test_shards_cut_arrays_and_halves(variant, folder, tmp_path, monkeypatch):
  """Arrays above a gigabyte are cut into flat pieces; here those above 1000 bytes."""
  monkeypatch.setattr(flax.serialization, "MAX_CHUNK_SIZE", 1000)
  to = folder("gptj")
  kinds = [np.float32, np.float16, jnp.bfloat16]
  tensors = {
    k: v.astype(kinds[i % 3]) for i, (k, v) in enumerate(tensors_of(variant("gptj")).items())
  }
  names = list(tensors)
  files = {"flax_model-1.msgpack": names[::2], "flax_model-2.msgpack": names[1::2]}
  for file, some in files.items():
    tree = flax_tree({k: tensors[k] for k in some})
    (to / file).write_bytes(flax.serialization.to_bytes(tree))
  where = {k: file for file, some in files.items() for k in some}
  (to / flax_msgpack.INDEX).write_text(json.dumps({"weight_map": where}))
  c = hf.open_checkpoint(to)
  assert max(len(x.extents) for x in c.stored.values()) > 10
  found = tensors_of(written(to, tmp_path / "out"))
  assert_same_bits(found, {k: v.astype(np.float32) for k, v in tensors.items()})


def test_what_flax_can_write_is_walked(tmp_path):
  """Every kind of value between the arrays; they are then no weights."""
  tree = {
    "none": None, "yes": True, "no": False, "small": 5, "minus": -7, "byte": 200, "bytes": b"ab",
    "short": 60_000, "int": -70_000, "long": 1 << 40, "float": 0.5, "text": "t" * 300,
    "list": list(range(20)), "map": {str(i): i for i in range(20)}, "x": np.zeros((2, 3), np.int8),
    "long bytes": bytes(70_000), "y": np.zeros((300, 300), np.float32),
  }  # fmt: skip
  path = tmp_path / "x.msgpack"
  path.write_bytes(flax.serialization.msgpack_serialize(tree))
  with open(path, "rb") as file:
    walker = flax_msgpack._Walker(file, path)
    found = walker.value()
    assert file.tell() == walker.size
  assert (found["x"].shape, found["x"].dtype, found["y"].dtype) == ((2, 3), "int8", "F32")
  data = path.read_bytes()
  for name in ("bytes", "long bytes"):
    _, start, size = found[name]
    assert data[start : start + size] == tree[name]
  plain = tree.keys() - {"x", "y", "bytes", "long bytes"}
  assert {k: found[k] for k in plain} == {k: tree[k] for k in plain}
  with pytest.raises(InputError, match="has no array at byte"):
    flax_msgpack.headers([path])


def array(shape, dtype="float32", size=24, kind=1) -> bytes:
  """A map with an array that claims all this and has 24 bytes."""
  inner = msgpack.packb(list(shape)) + msgpack.packb(dtype) + b"\xc6" + struct.pack(">I", size)
  data = b"\x93" + inner + bytes(24)
  return b"\x81\xa1x\xc9" + struct.pack(">I", len(data)) + bytes([kind]) + data


WRONG = {
  "it claims 4294967295 bytes where 24 are left": array((2, 3), size=0xFFFFFFFF),
  r"it has an array of shape \(1125899906842624,\) and float32 in 24 bytes": array((1 << 50,)),
  "whose shape is not sizes": array((-2, -3)),
  "whose shape is not sizes .*": array(("a",)),
  "it has an extension of type 2": array((2, 3), kind=2),
  "it has an array that is not": array((2, 3), size=20),
  "it claims a list of 4294967295": b"\x81\xa1x\xdd\xff\xff\xff\xff",
  "it claims a map of 4294967295": b"\xdf\xff\xff\xff\xff",
  "it has a name of 2147483648 bytes": b"\x81\xdb\x80\x00\x00\x00",
  "it ends 8 bytes too early": b"\x81\xa1x\xcb\x00",
  "nested more than 32 deep": b"\x91" * 10_000,
  "whose keys are not names": b"\x81\x01\x01",
  "whose keys are not names of their own": b"\x82\xa1x\x01\xa1x\x01",
  "no value begins with 0xc1": b"\xc1",
  "it is not one map": b"\x80\x80",
  "'utf-8' codec": b"\x81\xa1\xff\x01",
  "cut array that is not whole": msgpack.packb({"x": {flax_msgpack._CHUNKED: True, "shape": {"0": 9}}}),
}  # fmt: skip


@pytest.mark.parametrize("message", WRONG)
def test_files_that_are_not_whole(folder, message):
  """An error, and no memory for what is claimed."""
  to = folder("gptj")
  (to / flax_msgpack.SINGLE).write_bytes(WRONG[message])
  tracemalloc.start()
  with pytest.raises(InputError, match=message.removesuffix(" .*")):
    hf.open_checkpoint(to)
  assert tracemalloc.get_traced_memory()[1] < 10 << 20
  tracemalloc.stop()
