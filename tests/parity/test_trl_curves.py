"""TRL's loss curves on a real pretrained model, reproduced through scripts/train.py on the same
batches."""

import json
import subprocess
import sys

import numpy as np
import pytest

from ftjax.log import read

pytestmark = [
  pytest.mark.parity,
  pytest.mark.slow,
  pytest.mark.filterwarnings("ignore::FutureWarning"),
]  # peft calls what transformers deprecates


def write_rows(path, batches):
  """(step, micro, row, position) arrays as one JSONL row each, in that order."""
  ids, mask, labels = (batches[k] for k in ("input_ids", "attention_mask", "labels"))
  width = ids.shape[-1]
  with open(path, "w") as f:
    for row, keep, label in zip(
      ids.reshape(-1, width), mask.reshape(-1, width) > 0, labels.reshape(-1, width), strict=True
    ):
      f.write(json.dumps({"input_ids": row[keep].tolist(), "labels": label[keep].tolist()}) + "\n")


@pytest.mark.parametrize("case", ["full", "lora", "grad_accum"])
def test_curve(case, shared, root, tmp_path):
  folder = shared / "parity" / case
  theirs, settings = (
    json.loads((folder / f"{name}.json").read_text()) for name in ("curve", "config")
  )
  write_rows(tmp_path / "rows.jsonl", np.load(folder / "batches.npz"))
  h = settings["hyperparameters"]
  flags = {
    "model.source": shared / "models" / "stories260K", "data.train": tmp_path / "rows.jsonl", "data.format": "tokens",
    "data.shuffle": False, "data.pack": False, "data.max_length": h["max_length"],
    "optim.learning_rate": h["learning_rate"], "optim.schedule": h["lr_scheduler_type"],
    "optim.warmup": f"{h['warmup_steps']} steps", "optim.weight_decay": h["weight_decay"],
    "optim.clip": h["max_grad_norm"], "train.batch_size": h["per_device_train_batch_size"],
    "train.accumulate": h["gradient_accumulation_steps"], "train.duration": f"{h['max_steps']} steps",
    "train.log_every": 1, "log.tensorboard": False,
  }  # fmt: skip
  if settings["lora"]:
    flags |= {"adapter.kind": "lora", "adapter.source": folder / "adapter_initial"}
  command = [
    sys.executable,
    "scripts/train.py",
    f"--workdir={tmp_path / 'run'}",
    "--config=configs/sft.py",
  ]
  done = subprocess.run(
    command + [f"--config.{k}={v}" for k, v in flags.items()], cwd=root, capture_output=True, text=True, check=False,
    env=one_device(),
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  ours = [m for m in read(tmp_path / "run" / "metrics.jsonl") if "train/loss" in m]
  assert [m["step"] for m in ours] == [c["step"] for c in theirs]
  loss = np.array([[m["train/loss"], c["loss"]] for m, c in zip(ours, theirs, strict=True)])
  relative = np.abs(loss[:, 0] / loss[:, 1] - 1)
  assert relative[0] < 1e-5 and relative.max() < 1e-3, relative.max()
  norm = np.array(
    [[m["train/grad_norm"], c["grad_norm"]] for m, c in zip(ours, theirs, strict=True)]
  )
  np.testing.assert_allclose(norm[:, 0], norm[:, 1], rtol=5e-3)
  rate = np.array([[m["train/learning_rate"], c["lr"]] for m, c in zip(ours, theirs, strict=True)])
  np.testing.assert_allclose(rate[:, 0], rate[:, 1], rtol=1e-5, atol=1e-12)
  print(
    f"{case}: largest relative difference of the loss over {len(ours)} steps: {relative.max():.1e}"
  )
  if settings["lora"]:
    check_adapter(tmp_path / "run" / "final", folder, shared)


def check_adapter(ours, folder, shared):
  """peft loads what we wrote and gives ftjax's logits; both are TRL's."""
  import peft
  import torch
  from transformers import AutoModelForCausalLM

  import ftjax

  base = shared / "models" / "stories260K"
  wanted = np.load(folder / "final_logits.npz")
  ids = wanted["input_ids"].astype(np.int32)
  mine = np.asarray(ftjax.load(str(base), adapter=str(ours)).logits(ids))
  model = peft.PeftModel.from_pretrained(
    AutoModelForCausalLM.from_pretrained(str(base)), str(ours)
  ).eval()
  with torch.no_grad():
    theirs = model(torch.tensor(ids, dtype=torch.long)).logits.numpy()
  np.testing.assert_allclose(mine, theirs, atol=1e-4)


def one_device():
  import os

  return os.environ | {"XLA_FLAGS": "", "JAX_PLATFORMS": "cpu"}
