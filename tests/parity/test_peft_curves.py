"""The loss curves of every kind of adapter that PEFT has, and of partial freezing, reproduced by
whole runs: the same initial adapter, the same batches, 50 updates.

The other side is a plain torch loop over PEFT's models: TRL's trainer adds nothing to it but its own
batches (a plain loop lands within 3e-7 of TRL's LoRA curve, which test_trl_curves.py reproduces).
"""

import functools
import re
import warnings

import jax
import numpy as np
import pytest

from ftjax.defaults import get_config
from ftjax.finetuning import finetune
from ftjax.log import read
from ftjax.parallel.mesh import make_mesh
from tests.parity.test_trl_curves import write_rows

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]
STEPS, WARMUP = 50, 5
LINEAR = dict(r=8, lora_alpha=16, target_modules="all-linear")
RANKS = LINEAR | dict(
  rank_pattern={"q_proj": 4, "layers.3.mlp.up_proj": 16}, alpha_pattern={"q_proj": 2}
)

# kind: (class of PEFT's config, its arguments, our adapter.kind, our other flags, learning rate).
# A kind that starts from the base's weights begins by itself on either side; the others start from
# PEFT's folder.
CASES = {
  "LoRA": ("LoraConfig", LINEAR, "lora", {}, 2e-3),
  "rsLoRA": ("LoraConfig", LINEAR | dict(use_rslora=True), "lora", {}, 2e-3),
  "DoRA": ("LoraConfig", LINEAR | dict(use_dora=True), "lora", {}, 2e-3),
  "LoRA, gaussian": ("LoraConfig", LINEAR | dict(init_lora_weights="gaussian"), "lora", {}, 2e-3),
  "LoRA, ranks by pattern": ("LoraConfig", RANKS, "lora", {}, 2e-3),
  "PiSSA": (
    "LoraConfig", LINEAR | dict(init_lora_weights="pissa"), "lora", {"adapter.init": "pissa"}, 1e-3,
  ),
  "OLoRA": (
    "LoraConfig", LINEAR | dict(init_lora_weights="olora"), "lora", {"adapter.init": "olora"}, 1e-3,
  ),
  "(IA)^3": ("IA3Config", {}, "ia3", {}, 1e-2),
  "prompt tuning": ("PromptTuningConfig", dict(num_virtual_tokens=8), "prompt", {}, 1e-2),
  "prefix tuning": ("PrefixTuningConfig", dict(num_virtual_tokens=8), "prefix", {}, 1e-2),
  "LN tuning": ("LNTuningConfig", {}, "norms", {}, 1e-2),
  "trainable tokens": (
    "TrainableTokensConfig", dict(token_indices=[5, 266, 300], target_modules=["embed_tokens"]),
    "lora", {}, 1e-2,
  ),
  "the last 2 layers": ("", dict(ends=("layers.3.", "layers.4.")), "none",
                        {"train.only": "last 2 layers"}, 2e-3),
  "norms": ("", dict(ends=("norm",)), "none", {"train.only": "norms"}, 1e-2),
}  # fmt: skip


# One of each way to be different runs with the slow tests; the others when asked for (-m curves).
SLOW = ("LoRA, ranks by pattern", "PiSSA", "(IA)^3", "prefix tuning", "the last 2 layers")


@pytest.mark.parametrize(
  "name",
  [pytest.param(c, marks=pytest.mark.slow if c in SLOW else pytest.mark.curves) for c in CASES],
)
def test_curve(name, shared, tmp_path, monkeypatch, record_property):
  base, folder = shared / "models" / "stories260K", shared / "parity" / "lora"
  batches = np.load(folder / "batches.npz")
  kind, settings, ours, flags, rate = CASES[name]
  theirs = _curve(base, batches, kind, settings, rate, tmp_path / "start")
  write_rows(tmp_path / "rows.jsonl", batches)
  flags = {
    "model.source": str(base), "data.train": str(tmp_path / "rows.jsonl"), "data.format": "tokens",
    "data.shuffle": False, "data.pack": False, "data.max_length": 256, "optim.learning_rate": rate,
    "optim.schedule": "linear", "optim.warmup": f"{WARMUP} steps", "optim.clip": 1.0,
    "train.batch_size": 8, "train.duration": f"{STEPS} steps", "train.log_every": 1,
    "log.tensorboard": False, "adapter.kind": ours,
  } | flags  # fmt: skip
  if ours == "lora":
    flags |= {"adapter.rank": 8, "adapter.alpha": 16.0}
  if ours != "none" and "adapter.init" not in flags:
    flags["adapter.source"] = str(tmp_path / "start")
  alone = functools.partial(make_mesh, devices=jax.devices()[:1])
  monkeypatch.setattr("ftjax.finetuning.make_mesh", alone)
  config = get_config()
  config.update_from_flattened_dict(flags)
  finetune(config, tmp_path / "run")
  lines = read(tmp_path / "run" / "metrics.jsonl")
  mine = np.array([m["train/loss"] for m in lines if "train/loss" in m])
  assert len(mine) == STEPS
  largest = float(np.abs(mine / theirs - 1).max())
  record_property("largest", (name, largest))
  print(f"| {name} | {theirs[0]:.4f} -> {theirs[-1]:.4f} | {largest:.1e} |")
  assert theirs[-1] < theirs[0] - 0.1  # it did train
  assert largest < 1e-3


def _curve(base, batches, kind: str, settings: dict, rate: float, folder) -> np.ndarray:
  """The losses of a plain torch loop; the initial adapter is saved in `folder`."""
  import peft
  import torch
  from transformers import AutoModelForCausalLM

  torch.manual_seed(0)
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    model = AutoModelForCausalLM.from_pretrained(str(base), dtype=torch.float32)
    if kind:
      config = getattr(peft, kind)(task_type="CAUSAL_LM", **settings)
      model = peft.get_peft_model(model, config)
      model.save_pretrained(str(folder))
    else:
      for parameter_name, parameter in model.named_parameters():
        parameter.requires_grad_(any(e in parameter_name for e in settings["ends"]))
  trained = [p for p in model.parameters() if p.requires_grad]
  optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.0)
  share = lambda step: min(step / WARMUP, (STEPS - step) / (STEPS - WARMUP))
  schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
  model.eval()  # nothing here has dropout
  losses = []
  for step in range(STEPS):
    batch = {k: torch.tensor(batches[k][step, 0]).long() for k in batches.files}
    loss = model(**batch).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad()
    losses.append(float(loss))
  return np.array(losses)


def test_the_pages_table_is_of_these_cases(root):
  """docs/adapters.md has a measured difference below the bound for each."""
  text = (root / "docs" / "adapters.md").read_text(encoding="utf-8")
  rows = re.findall(r"^\| (.+?) \| [\d.]+ -> [\d.]+ \| (\S+) \|$", text, re.MULTILINE)
  assert [name for name, _ in rows] == list(CASES)
  assert all(float(largest) < 1e-3 for _, largest in rows)
