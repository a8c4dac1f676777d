"""Tiny random checkpoints in Hugging Face format, made with transformers and torch."""

import json
from pathlib import Path
from typing import Any

from tests.families import sizes

KINDS = ("llama", "gpt2", "gptj")  # what tests that take longer run on


def tiny_checkpoint(
  kind: str, folder: str | Path, *, seed: int = 0, noise: float = 0.1, **overrides
) -> Path:
  """Writes a random model of this model_type and returns its folder (no tokenizer in it).

  overrides: fields of config.json; the others are those of the first variant in tests/families.py.
  """
  return write_checkpoint(kind, sizes(kind) | overrides, folder, seed=seed, noise=noise)


def write_checkpoint(
  kind: str, fields: dict[str, Any], folder: str | Path, *, seed: int = 0, noise: float = 0.1
) -> Path:
  """Writes a random model with these fields of config.json and returns its folder.

  Every weight, norms and biases included, gets normal noise, so that one left out or mixed up shows
  in the logits. bos, eos and pad are switched off unless a field sets them.
  """
  import torch
  import transformers

  torch.manual_seed(seed)
  special = dict(bos_token_id=None, eos_token_id=None, pad_token_id=None)
  config = transformers.AutoConfig.for_model(kind, **(special | fields))
  model = transformers.AutoModelForCausalLM.from_config(config).eval()
  with torch.no_grad():
    for parameter in model.parameters():
      parameter.add_(noise * torch.randn_like(parameter))
  model.save_pretrained(str(folder))
  return Path(folder)


def torch_model(folder: str | Path):
  """The checkpoint as transformers loads it: float32, eager attention, evaluation mode.

  With ALiBi not eager but its default, sdpa: eager adds ALiBi twice (modeling_falcon.py puts it
  into the mask, and FalconAttention adds it again).
  """
  import torch
  import transformers

  alibi = json.loads((Path(folder) / "config.json").read_text()).get("alibi")
  attention = "sdpa" if alibi else "eager"
  kwargs = dict(dtype=torch.float32, attn_implementation=attention, local_files_only=True)
  return transformers.AutoModelForCausalLM.from_pretrained(str(folder), **kwargs).eval()
