"""Plans: shapes by name, what a compiled step says, refusals, and the formulas beside them."""

import jax
import pytest

from configs import lora, sft
from ftjax import apart, fitting, planning, pretrained, searching
from ftjax.config import InputError
from ftjax.finetuning import finetune
from ftjax.models.shapes import SHAPES, shape_only
from ftjax.models.tensors import our_shape
from ftjax.parallel import memory, topology
from ftjax.research.plan import table
from tests.tiny import tiny_checkpoint
from tests.train import toy

PARAMETERS = {  # as the models' cards say, in billions
  "llama-3.2-1b": 1.24, "llama-3.1-8b": 8.03, "llama-3.1-70b": 70.55, "llama-3.1-405b": 405.9,
  "mistral-7b": 7.25, "mixtral-8x7b": 46.7, "mixtral-8x22b": 140.6, "qwen2.5-0.5b": 0.494,
  "qwen2.5-7b": 7.62, "qwen2.5-72b": 72.7, "qwen3-0.6b": 0.596, "qwen3-8b": 8.19,
  "qwen3-30b-a3b": 30.5, "gemma-2b": 2.51, "gemma-7b": 8.54, "gemma-2-2b": 2.61, "gemma-2-9b": 9.24,
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_has_as_many_parameters_as_its_model(name):
  checkpoint = shape_only(name)
  sizes = [our_shape(w, checkpoint.config) for w in checkpoint.table]
  found = sum(jax.ShapeDtypeStruct(s, "float32").size for s in sizes) / 1e9
  assert name not in PARAMETERS or found == pytest.approx(PARAMETERS[name], rel=0.005)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A tiny model's config.json, and nothing else."""
  whole = tmp_path_factory.mktemp("model")
  tiny_checkpoint("llama", whole)
  bare = tmp_path_factory.mktemp("shape")
  (bare / "config.json").write_bytes((whole / "config.json").read_bytes())
  return bare


def config(folder, make=sft, **changes):
  c = make.get_config()
  c.model.source, c.data.max_length = str(folder), 32
  c.update_from_flattened_dict(changes)
  return c


def test_a_config_json_alone_is_planned_on_this_cpu_and_trained_on_nowhere(folder):
  c = config(folder, **{"mesh.data": 1})
  found = planning.plan(c, "cpu:1")
  assert found.compiled and found.fits and found.devices == 1 and found.tokens == 8 * 32
  assert found.optimizer_bytes == pytest.approx(2 * found.trained_bytes, rel=0.01)
  assert found.peak_bytes_per_chip > found.trained_bytes + found.optimizer_bytes
  assert any("**yes**" in line for line in table.lines(found, "tiny"))
  with pytest.raises(InputError, match="has no weights"):
    pretrained.open_run(c)


def test_the_formula_is_near_what_is_compiled(folder):
  """Of a model whose activations outweigh its parameters, within half."""
  c = config(folder, **{"mesh.data": 1, "train.remat": "block", "data.max_length": 512})
  where = topology.parse("cpu:1")
  model = planning.described(c)
  guess, found = planning.by_formula(c, where, model), planning.plan(c, "cpu:1")
  assert guess.trained_bytes == found.trained_bytes
  assert 0.5 < guess.peak_bytes_per_chip / found.peak_bytes_per_chip < 2


def test_devices_share_what_is_split(folder):
  whole = planning.plan(config(folder, lora, **{"mesh.data": 1}), "cpu:1")
  shared = planning.plan(config(folder, lora, **{"mesh.data": 1, "mesh.fsdp": 8}), "cpu:8")
  assert shared.frozen_bytes < whole.frozen_bytes / 5 and shared.collectives["all-gather"].bytes


def test_a_gpu_is_estimated_and_says_what_would_help():
  c = config("llama-3.1-70b", lora, **{"mesh.data": 1, "train.batch_size": 1})
  found = planning.plan(c, "h100:1")
  assert not found.fits and not found.compiled and "train.remat=block" not in found.advice
  assert found.remat == "block" and "model.dtype=bfloat16" in found.advice
  assert "mesh" not in found.advice  # there is one device
  assert found.frozen_bytes == pytest.approx(4 * 70.55e9, rel=0.001)


@pytest.mark.parametrize(
  "name, message",
  [
    ("v5e", "CHIP|v5e:2x2"), ("v5e:2x2x1", "v5e:AxB"), ("v5p:2x2", "v5p:AxBxC"),
    ("h100:2x2", "h100:COUNT"), ("v9:2x2", "Known: v4, v5e"), ("cpu:0", "cpu:COUNT"),
  ],
)  # fmt: skip
def test_topologies_that_are_none(name, message):
  with pytest.raises(InputError, match=message):
    topology.parse(name, ("h100",))


@pytest.mark.parametrize("key", ["train.batch_size", "train.accumulate", "data.max_length"])
def test_sizes_that_are_none(folder, key):
  with pytest.raises(InputError, match=f"{key}=0 must be greater than 0"):
    planning.plan(config(folder, **{key: 0}), "cpu:1")


def test_a_tpu_without_its_compiler_says_how_to_get_it(monkeypatch):
  monkeypatch.setattr(topology.importlib.util, "find_spec", lambda name: None)
  with pytest.raises(InputError, match=r"pip install\s+'ftjax\[plan\]'"):
    topology.devices(topology.parse("v5e:2x2"))


def test_a_shape_cannot_be_trained():
  with pytest.raises(InputError, match="llama-3.1-8b.*for scripts/plan.py.*folder.*hub id"):
    pretrained.open_source("llama-3.1-8b")
  with pytest.raises(InputError, match="no shape that is known by name: .*gemma-2b"):
    shape_only("llama-9")


def test_what_does_not_fit_is_refused_with_numbers_and_two_ways_out(folder, monkeypatch):
  c = config(folder, **{"mesh.data": 1})
  model = planning.described(c)
  mesh = planning.make_mesh(data=1, devices=jax.devices()[:1])
  made, state = planning._made(c, model, mesh)
  monkeypatch.setattr(memory, "limit", lambda device: 1 << 16)
  told = r"needs 0\.\d\d GiB per device \(0\.\d\d of model.*has 0\.00 GiB\. Ways out: .*; or .*"
  with pytest.raises(InputError, match=told):
    fitting.compile_step(c, made, state)
  monkeypatch.setattr(memory, "limit", lambda device: None)
  assert fitting.compile_step(c, made, state).memory_analysis()


@pytest.mark.parametrize(
  "changes, platform, devices, wanted",
  [
    ({}, "cpu", 1, ("none", "block")),
    ({"model.compute_dtype": "bfloat16"}, "cpu", 1, ("block",)),
    ({"model.dtype": "bfloat16"}, "cpu", 8, ("none", "block")),  # products of meshes are others
    ({"model.dtype": "bfloat16"}, "tpu", 1, ("none", "block")),
    ({"train.remat": "dots"}, "cpu", 1, ("dots",)),
  ],
)
def test_what_auto_may_be(folder, changes, platform, devices, wanted):
  assert fitting.remats(config(folder, **changes), platform, devices) == wanted


def test_auto_is_the_first_that_fits(folder, monkeypatch):
  """In training, and in its plan."""
  c = config(folder, **{"mesh.data": 1, "data.max_length": 512})
  model, mesh = planning.described(c), planning.make_mesh(data=1, devices=jax.devices()[:1])
  shapes, said = (model.trainable, model.frozen), []
  monkeypatch.setattr(fitting, "say", said.append)

  def first(limit):
    monkeypatch.setattr(memory, "limit", lambda device: limit)
    sizes = dict(warmup=1, total=10, length=512)
    own, _, program = fitting.compile_first(c, model.config, shapes, mesh, **sizes)
    return own.train.remat, memory.peak(program.memory_analysis())

  (kept, most), (again, less) = first(None), first(1 << 50)
  assert (kept, again, most) == ("none", "none", less) and not said
  between = most - 1
  remat, less = first(between)
  assert remat == "block" and less < most and "train.remat=none" in said[0]
  monkeypatch.setattr(planning, "_usable", lambda where: between)
  found = planning.plan(c, "cpu:1")
  assert (found.remat, found.fits, found.peak_bytes_per_chip) == ("block", True, less)
  with pytest.raises(fitting.DoesNotFit, match="Ways out: train.batch_size=4"):
    first(1 << 16)


def test_training_refuses_before_it_reads_weights(tmp_path, monkeypatch):
  model, rows = toy.save_model(tmp_path / "model"), toy.write_rows(tmp_path / "rows.jsonl", 30)
  monkeypatch.setattr(memory, "limit", lambda device: 1 << 16)
  monkeypatch.setattr(pretrained, "read_weights", lambda *_: pytest.fail("read"))
  with pytest.raises(InputError, match="The step does not fit"):
    finetune(toy.run_config(model, rows), tmp_path / "run")


def test_a_search_finds_a_smaller_slice_and_says_it_as_flags():
  c = config("llama-3.1-8b", lora, **{"model.dtype": "bfloat16", "train.batch_size": 8})
  c.data.max_length = 4096
  said = []
  found = searching.search(c, "h100:8", said.append)
  assert found.compiled == 0 and found.tried > 100 and "by formula" in said[0]
  assert found.smallest["plan"]["topology"] == "h100:1" and found.smallest["plan"]["fits"]
  changed = searching._changed(c, found.fastest["overrides"])
  assert changed.train.batch_size * changed.train.accumulate == 8
  assert planning.plan(changed, "h100:8").fits and "--config.mesh.fsdp=" in found.lines()[4]


def test_a_search_compiles_few(folder):
  c = config(folder, **{"mesh.data": 1})
  found = searching.search(c, "cpu:2", lambda text: None)
  assert 1 <= found.compiled <= 2 * searching.COMPILES and found.fastest["plan"]["compiled"]


def test_a_search_goes_on_where_the_compiler_crashes(folder, monkeypatch):
  crashes, said, compiled = iter([True]), [], planning.compiled

  def once(*args):
    if next(crashes, False):
      raise apart.Crashed("it crashed")
    return compiled(*args)

  monkeypatch.setattr(planning, "compiled", once)
  found = searching.search(config(folder, **{"mesh.data": 1}), "cpu:2", said.append)
  assert said.count("it crashed") == len(found.refused) == 1 and found.fastest["plan"]["compiled"]


def test_the_machine_has_memory():
  assert 1 << 28 < memory.machine() and memory.limit(jax.devices()[0]) == memory.machine() // 8
