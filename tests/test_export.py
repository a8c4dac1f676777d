"""scripts/export.py as a user runs it."""

import json
import os
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ftjax import exporting
from ftjax.models import export as weights
from ftjax.models import hf, lora, verify
from ftjax.pretrained import read_weights
from tests.models.adapters import by_peft
from tests.models.reference import difference, ours, quiet, rows, theirs
from tests.tiny import tiny_checkpoint, torch_model


@pytest.fixture(scope="module")
def made(root, tmp_path_factory):
  """A folder with base/, and run/ whose best/ is an adapter for it, with a tokenizer of its own."""
  from tokenizers import Tokenizer, models, pre_tokenizers
  from transformers import PreTrainedTokenizerFast

  folder = tmp_path_factory.mktemp("export")
  with quiet():
    base = tiny_checkpoint("gpt2", folder / "base")
  (base / "generation_config.json").write_text('{"eos_token_id": 3}')
  c = hf.open_checkpoint(base)
  targets = lora.choose(c.config, c.table, "all-linear")
  adapter = lora.init(jax.random.key(0), c.config, targets, rank=3, alpha=6)
  adapter["lora"] = jax.tree.map(lambda x: x + 0.1, adapter["lora"])
  lora.write(folder / "run" / "best", adapter, c.config, c.table, base="elsewhere")
  tok = Tokenizer(models.WordLevel({"a": 0, "b": 1, "?": 2, "</s>": 3}, unk_token="?"))
  tok.pre_tokenizer = pre_tokenizers.Whitespace()
  fast = PreTrainedTokenizerFast(tokenizer_object=tok, unk_token="?", eos_token="</s>")
  fast.chat_template = "{{ messages[0].content }}"
  fast.save_pretrained(folder / "run" / "best")
  config = {"adapter.kind": "lora", "model.source": str(base), "model.revision": ""}
  (folder / "run" / "config.json").write_text(json.dumps(config))
  (folder / "run" / "metrics.jsonl").write_text("")
  return folder


def export(root, *flags):
  """(exit status, stdout, stderr)."""
  program = root / "scripts" / "export.py"
  env = os.environ | {"PYTHONPATH": str(root)}
  done = subprocess.run(
    [sys.executable, program, *map(str, flags)],
    capture_output=True,
    text=True,
    env=env,
    check=False,
  )
  return done.returncode, done.stdout, done.stderr


def test_a_run_merged_verified_and_read_by_transformers(root, made):
  import transformers

  out = made / "merged"
  status, said, error = export(
    root, f"--run={made / 'run'}", "--merge", f"--output={out}", "--verify", "--shard_bytes=40000"
  )
  assert status == 0, error
  assert "largest difference of logits: " in said and f"written: {out}" in said
  assert (out / "model.safetensors.index.json").is_file()
  assert json.loads((out / "generation_config.json").read_text())["eos_token_id"] == 3
  tok = transformers.AutoTokenizer.from_pretrained(out)
  assert tok.chat_template == "{{ messages[0].content }}"

  base, batch = made / "base", rows()
  c = hf.open_checkpoint(base)
  variables = hf.read(c, jnp.float32) | lora.read(made / "run" / "best", c)
  with quiet():
    found = theirs(torch_model(out), batch)
  assert difference(ours(base, batch, variables), found, batch) < 1e-4
  assert difference(ours(base, batch), found, batch) > 1e-2


CASES = {
  "head untied": ("gpt2", dict(r=3, use_dora=True, target_modules=["wte", "c_attn"])),
  "copies": ("gptj", dict(r=3, target_modules=["q_proj"], modules_to_save=["lm_head", "ln_f"])),
  "some biases": (
    "gpt2", dict(r=2, target_modules=["h.1.attn.c_attn"], bias="lora_only", lora_bias=True),
  ),
  "experts": ("mixtral", dict(r=2, target_modules="all-linear")),
  "rows": ("llama", dict(r=2, target_modules=["q_proj"], trainable_token_indices=[1, 5])),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
@pytest.mark.parametrize("name", CASES)
def test_a_sharded_base_is_merged_without_being_read(tmp_path, monkeypatch, name):
  """Tensor by tensor: nothing asks for the model, or for more than one leaf of it."""
  kind, settings = CASES[name]
  with quiet():
    whole = tiny_checkpoint(kind, tmp_path / "whole")
  c = hf.open_checkpoint(whole)
  weights.write(tmp_path / "base", hf.read(c), c.config, c.table, c.hf_config, shard_bytes=20_000)
  assert len(list((tmp_path / "base").glob("*.safetensors"))) > 3
  batch = rows()
  expected = by_peft(whole, tmp_path / "adapter", batch=batch, **settings)

  read = lambda checkpoint, *args: real(checkpoint, *args) if len(checkpoint.table) == 1 else 1 / 0
  real = hf.read
  with monkeypatch.context() as m:
    m.setattr(hf, "read", read)
    base, adapter = str(tmp_path / "base"), str(tmp_path / "adapter")
    exporting.write(tmp_path / "out", base, adapter, shard_bytes=30_000)
  assert len(list((tmp_path / "out").glob("*.safetensors"))) > 3
  with quiet():
    assert difference_of(theirs(torch_model(tmp_path / "out"), batch), expected) < 1e-4
  line = exporting.write(tmp_path / "again", base, adapter, bound=1e-5)
  assert "largest difference of logits: " in line


def difference_of(found, expected) -> float:
  """The largest difference over all documents."""
  return max(float(np.abs(x - y).max()) for x, y in zip(found, expected, strict=True))


def test_another_model_is_not_taken_for_the_same(made, tmp_path):
  with quiet():
    other = tiny_checkpoint("gpt2", tmp_path / "other", seed=1)
  c = hf.open_checkpoint(made / "base")
  variables = hf.read(c, jnp.float32)
  assert "largest difference of logits: 0.00e+00" in verify.check(
    made / "base", c.config, lambda: variables, 1e-9
  )
  with pytest.raises(verify.Different, match="that is above 0.05 of it"):
    verify.check(other, c.config, lambda: variables, 0.05)
  broken = jax.tree.map(lambda x: x * jnp.nan, variables)
  with pytest.raises(verify.Different):
    verify.check(made / "base", c.config, lambda: broken, 0.05)


@pytest.mark.slow
def test_a_difference_above_the_bound_is_status_1_and_leaves_nothing(root, made):
  out = made / "half"
  status, _, error = export(
    root, f"--base={made / 'base'}", f"--adapter={made / 'run' / 'best'}", "--merge",
    f"--output={out}", "--verify", "--dtype=bfloat16", "--bound=1e-9",
  )  # fmt: skip
  assert status == 1 and "above 1e-09 of it. Nothing was written." in error
  assert not out.exists() and not list(made.glob(".half*"))


def test_a_base_quantized_verified_and_read(root, made):
  out = made / "nf4"
  status, said, error = export(
    root, f"--model={made / 'base'}", "--quantize=nf4", f"--output={out}", "--verify",
    "--shard_bytes=20000",
  )  # fmt: skip
  assert status == 0, error
  assert "largest difference of logits: 0.00e+00" in said and f"written: {out}" in said
  assert (out / "quantized.safetensors.index.json").is_file()
  batch = rows()
  wanted = read_weights(hf.open_checkpoint(made / "base"), jnp.float32, None, "nf4")
  np.testing.assert_array_equal(ours(out, batch), ours(made / "base", batch, wanted))


@pytest.mark.parametrize(
  "flags, message",
  [
    (["--output={made}/x", "--model={made}/base"], "--model and --quantize go together"),
    (
      ["--output={made}/base", "--run={made}/run", "--merge"],
      "is there already. Give another --output",
    ),
    (
      ["--output={made}/x", "--base={made}/none", "--adapter={made}/run/best", "--merge"],
      "no such folder",
    ),
    (["--output={made}/x", "--run={made}/none", "--merge"], "there is no .*none/best"),
    (["--output={made}/x", "--base={made}/base", "--merge"], "base is a whole model.*Leave out"),
    (["--output={made}/x", "--run={made}/run"], "run/best is an adapter.* --merge"),
  ],
)
def test_bad_input_is_one_message_and_status_2(root, made, flags, message):
  before = np.sort([p.name for p in made.iterdir()])
  status, _, error = export(root, *(flag.format(made=made) for flag in flags))
  assert status == 2 and re.search(message, error), error
  assert error.startswith("error: ") and len(error.strip().splitlines()) == 1
  assert np.array_equal(before, np.sort([p.name for p in made.iterdir()]))
