"""Quantized folders that do not fit, and what needs the weights in full, are refused."""

import json
import shutil

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import ftjax
from ftjax import exporting, planning
from ftjax.config import InputError
from ftjax.finetuning import finetune
from ftjax.models import hf, lora
from ftjax.models.quant import written
from tests.train import toy

FILE = f"{written.STEM}.safetensors"
DOWN = "model.layers.1.mlp.down_proj.weight"


def _tensors(change):
  def run(folder):
    tensors = load_file(folder / FILE)
    change(tensors)
    save_file(tensors, folder / FILE)

  return run


def _quantization(**changes):
  def run(folder):
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] |= changes
    (folder / "config.json").write_text(json.dumps(config))

  return run


@pytest.mark.parametrize(
  "change, message",
  [
    (_tensors(lambda t: t.pop(f"{DOWN}.mean")), rf"missing: {DOWN}.mean\."),
    (
      _tensors(lambda t: t.update({DOWN: np.zeros((128, 320), np.float32)})),
      rf"unexpected: {DOWN}\.",
    ),
    (
      _tensors(lambda t: t.update({f"{DOWN}.step": t[f"{DOWN}.step"][:4]})),
      rf"of the wrong shape: {DOWN}.step is \(4, 1\), not \(5, 1\)\.",
    ),
    (
      _tensors(lambda t: t.update({f"{DOWN}.scales": t[f"{DOWN}.scales"].view(np.uint8)})),
      rf"of the wrong type: {DOWN}.scales is U8, not I8\.",
    ),
    (_quantization(format="int4"), r"missing: model.layers.0.mlp.down_proj.weight.int4"),
    (
      _quantization(format="fp4"),
      r"quantization_config.format='fp4' is not known. Use one of: int8",
    ),
    (_quantization(block_size=32), r"'block_size': 32.*what can be read is .*'block_size': 64"),
    (_quantization(quant_method="gptq"), r"quantization_config"),
    (lambda folder: (folder / FILE).unlink(), r"there is no quantized\.safetensors, nor its index"),
    (
      lambda folder: (folder / FILE).write_bytes((folder / FILE).read_bytes()[:-1]),
      "not a whole safetensors file",
    ),
  ],
)
def test_what_does_not_fit_is_refused(folder, tmp_path, change, message):
  shutil.copytree(folder, tmp_path / "copy")
  change(tmp_path / "copy")
  with pytest.raises(InputError, match=message):
    ftjax.load(tmp_path / "copy")


def test_what_needs_the_weights_in_full_is_refused(full, folder, tmp_path):
  """Each with a message that names the full-precision base."""
  rows = toy.write_rows(tmp_path / "rows.jsonl", 40)
  config = toy.run_config(folder, rows, adapter__kind="lora")
  named = rf"\({full}\)"
  with pytest.raises(InputError, match=rf"quantize=int8, and .* a base in nf4 already.*{named}"):
    ftjax.load(folder, quantize="int8")
  config.model.quantize = "int4"
  with pytest.raises(InputError, match=rf"quantize=int4, and .* a base in nf4 already.*{named}"):
    finetune(config, tmp_path / "run")
  config.model.quantize, config.adapter.kind = "", "none"
  for run in (finetune, lambda config, _: planning.plan(config, "cpu:1")):
    with pytest.raises(InputError, match=rf"adapter.kind=none.*needs the weights in full.*{named}"):
      run(config, tmp_path / "run")
  with pytest.raises(InputError, match=f"quantizing needs the weights in full.*{named}"):
    exporting.quantize(tmp_path / "out", str(folder), "nf4")
  with pytest.raises(InputError, match=f"needs the weights in full.*{named}"):
    ftjax.load(folder).save(tmp_path / "out")
  c = hf.open_checkpoint(full)
  targets = lora.choose(c.config, c.table, "all-linear")
  adapter = lora.init(jax.random.key(0), c.config, targets, rank=2, alpha=4)
  lora.write(tmp_path / "adapter", adapter, c.config, c.table, base=str(full))
  with pytest.raises(InputError, match=f"merging into it.*needs the weights in full.*{named}"):
    exporting.write(tmp_path / "out", str(folder), str(tmp_path / "adapter"))
  assert not (tmp_path / "out").exists() and not (tmp_path / "run").exists()
