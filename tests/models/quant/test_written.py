"""A quantized base in a folder: reading it is reading the full one quantized, to the bit, wherever it is
read."""

import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ftjax
from ftjax import exporting, planning, storage, tree
from ftjax.evaluation import evaluate
from ftjax.finetuning import finetune
from ftjax.models import hf, lora, reading
from ftjax.models.formats import stored
from ftjax.models.quant import base, codes, written
from ftjax.models.tensors import our_shape, places_of
from ftjax.parallel import rules
from ftjax.parallel.mesh import make_mesh
from ftjax.pretrained import read_weights
from tests.families import VARIANTS
from tests.models.reference import tensors_of
from tests.train import toy

FILE = f"{written.STEM}.safetensors"


def assert_same(found, wanted):
  found, wanted = tree.flatten(found), tree.flatten(wanted)
  assert found.keys() == wanted.keys()
  for name, x in wanted.items():
    assert (found[name].dtype, found[name].shape) == (x.dtype, x.shape), name
    assert np.asarray(found[name]).tobytes() == np.asarray(x).tobytes(), name


@pytest.mark.parametrize("kind", codes.KINDS)
@pytest.mark.parametrize("name", ["llama", "llama, tied", "mixtral", "gpt_oss"])
def test_reading_it_is_reading_the_full_one_quantized(variant, tmp_path, name, kind):
  source = variant(name)
  exporting.quantize(tmp_path / "out", str(source), kind, shard_bytes=20_000)
  assert len(list((tmp_path / "out").glob(f"{written.STEM}-*.safetensors"))) > 1
  wanted = read_weights(hf.open_checkpoint(source), jnp.float32, None, kind)
  for quantize in ("", kind):
    found = read_weights(hf.open_checkpoint(tmp_path / "out"), jnp.float32, None, quantize)
    assert_same(found, wanted)
  tensors, kept = tensors_of(source), tensors_of(tmp_path / "out")
  for tensor in kept.keys() & tensors.keys():
    assert kept[tensor].tobytes() == tensors[tensor].tobytes(), tensor
  gone = [n for n in tensors if f"{n}.{kind}" in kept]
  assert gone and kept.keys() >= tensors.keys() - set(gone) and not kept.keys() & set(gone)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_familys_table_says_what_is_stored(name):
  """Each leaf of quant/... is made up of the tensors that the table has for it, each place once."""
  kind, fields = VARIANTS[name][:2]
  hf_config = {"model_type": kind} | fields
  family = hf.load_family(hf_config)
  config = family.config(hf_config)
  table = family.weights(config)
  for quantized in codes.KINDS:
    wanted = {}
    for weight in table:
      if base.quantized(weight.name):
        wanted |= base.structs(weight.name, our_shape(weight, config), quantized)
    lines = [w for w in written.lines(table, config, quantized) if w.dtype]
    assert {w.name: our_shape(w, config) for w in lines} == {n: x.shape for n, x in wanted.items()}
    for weight in lines:
      filled = np.zeros(our_shape(weight, config), int)
      for place in places_of(weight, config).values():
        filled[place] += 1
      assert (filled == 1).all(), weight.name


def test_eight_devices_hold_the_same_split(full, folder, monkeypatch):
  wanted = read_weights(hf.open_checkpoint(full), jnp.float32, None, "nf4")
  read, preadv = [], os.preadv
  monkeypatch.setattr(
    stored.os, "preadv", lambda fd, to, at: read.append(sum(map(len, to))) or preadv(fd, to, at)
  )
  for sizes in (dict(data=1, fsdp=4, tensor=2), dict(data=8)):
    read.clear()
    mesh = make_mesh(**sizes)
    found = read_weights(hf.open_checkpoint(folder), jnp.float32, mesh)
    assert_same(found, wanted)
    places = tree.flatten(rules.shardings(found, mesh))
    named = tree.flatten(found)
    assert all(x.sharding == places[n] for n, x in named.items())
    assert sum(read) == tree.nbytes(found), "every byte is read once, whoever keeps it"
    split = [n for n, x in named.items() if not x.is_fully_replicated and n.startswith("quant/")]
    assert bool(split) == ("fsdp" in sizes)


def test_the_source_is_read_once_and_a_matrix_at_a_time(full, tmp_path, monkeypatch):
  tensors = tensors_of(full)
  held, read, memory, preadv = [], [], reading.memory, os.preadv
  count = lambda size, dtype: held.append((size, np.dtype(dtype))) or memory(size, dtype)
  monkeypatch.setattr(reading, "memory", count)
  monkeypatch.setattr(
    stored.os, "preadv", lambda fd, to, at: read.append(sum(map(len, to))) or preadv(fd, to, at)
  )
  exporting.quantize(tmp_path / "out", str(full), "int4")
  assert sum(read) == sum(x.nbytes for x in tensors.values())
  floats = [size for size, dtype in held if dtype == np.float32]  # not the threads' own pieces
  assert max(floats) == max(x.size for n, x in tensors.items() if "layers" in n)


def test_the_folder_carries_what_goes_along(full, folder):
  config = json.loads((folder / "config.json").read_text())
  assert config.pop("quantization_config") == {
    "quant_method": "ftjax", "format": "nf4", "block_size": 64, "scale_group_size": 256,
    "base": os.path.relpath(full, folder),
  }  # fmt: skip
  assert config == json.loads((full / "config.json").read_text())
  assert {p.name for p in folder.iterdir()} == {
    "config.json", FILE, "generation_config.json", "LICENSE"
  }  # fmt: skip
  assert ftjax.load(folder).stop_ids == (3,)


def test_a_dtype_for_what_stays(full, folder, tmp_path):
  exporting.quantize(tmp_path / "out", str(full), "nf4", dtype="bfloat16")
  found = read_weights(hf.open_checkpoint(tmp_path / "out"), jnp.bfloat16)
  assert_same(found, read_weights(hf.open_checkpoint(full), jnp.bfloat16, None, "nf4"))
  assert_same(found["quant"], read_weights(hf.open_checkpoint(folder), jnp.float32)["quant"])
  assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "bfloat16"


def test_the_models_say_the_same(full, folder):
  tokens = [[3, 5, 7, 11, 13]]
  mine, wanted = ftjax.load(folder), ftjax.load(full, quantize="nf4")
  np.testing.assert_array_equal(mine.logits(tokens), wanted.logits(tokens))
  ids = lambda model: model.generator.generate(tokens, max_new_tokens=3)[0].ids
  assert ids(mine) == ids(wanted)


def test_verify_compares_with_reading(full, tmp_path):
  line = exporting.quantize(tmp_path / "out", str(full), "int8", bound=1e-9)
  assert line.startswith("largest difference of logits: 0.00e+00")


@pytest.mark.filterwarnings("ignore")
def test_transformers_does_not_take_it_for_a_model(folder):
  import transformers

  with pytest.raises(OSError, match=r"no file named model\.safetensors"):
    transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)


def test_a_plan_counts_what_a_run_would_hold(full, folder, tmp_path):
  config = toy.run_config(
    folder, tmp_path / "rows.jsonl", adapter__kind="lora", train__batch_size=1
  )
  found = planning.described(config)
  config.model.source, config.model.quantize = str(full), "nf4"
  shapes = lambda model: jax.tree.map(lambda x: (x.shape, x.dtype), model.frozen)
  assert shapes(found) == shapes(planning.described(config))


@pytest.mark.slow
def test_a_run_on_it_is_the_run_on_the_full_one_quantized(tmp_path):
  """Killed and resumed besides; and judged when the full one is not there any more."""
  source = toy.save_model(tmp_path / "full")
  exporting.quantize(tmp_path / "nf4", str(source), "nf4")
  rows = toy.write_rows(tmp_path / "rows.jsonl", 40)
  config = lambda source, quantize: toy.run_config(
    source, rows, model__quantize=quantize, adapter__kind="lora", adapter__rank=4,
    train__duration="8 steps", checkpoint__every="3 steps",
  )  # fmt: skip
  wanted = finetune(config(source, "nf4"), tmp_path / "wanted")

  with toy.killed_after(5):
    finetune(config(tmp_path / "nf4", ""), tmp_path / "run")
  storage.remove(source)
  found = finetune(config(tmp_path / "nf4", ""), tmp_path / "run")
  assert found.scores == wanted.scores
  for file in sorted((tmp_path / "wanted" / "best").iterdir()):
    assert (tmp_path / "run" / "best" / file.name).read_bytes() == file.read_bytes(), file
  named = json.loads((tmp_path / "run" / "best" / lora.SETTINGS).read_text())
  assert named["base_model_name_or_path"] == "../../full"

  from configs.evaluate import get_config

  judged = get_config()
  judged.source, judged.metrics, judged.samples = str(tmp_path / "run"), ("perplexity",), 0
  scores = evaluate(judged)
  for name in ("base", "tuned"):
    assert scores[name]["loss"] == pytest.approx(found.scores[name]["loss"], rel=2e-6)
