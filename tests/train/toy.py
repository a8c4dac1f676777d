"""A small random Llama of our own, token rows and configs for the tests of training."""

import contextlib
import itertools
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from ftjax.batch import Batch
from ftjax.defaults import get_config
from ftjax.models import decoder, export
from ftjax.models.families import llama
from ftjax.train import loop

HF = {
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 61, "hidden_size": 16,
  "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
  "head_dim": 4, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
  "tie_word_embeddings": False,
}  # fmt: skip


def model(**changes):
  """(ModelConfig, random variables, every leaf moved away from ones and zeros)."""
  config = llama.config(HF | changes)
  variables = decoder.init(config, jax.random.key(3))
  rng = np.random.default_rng(5)
  nudge = lambda x: x + 0.1 * rng.normal(size=x.shape).astype(np.float32)
  return config, jax.tree.map(nudge, variables)


def save_model(folder: Path, **changes) -> Path:
  """The model as a Hugging Face folder without a tokenizer."""
  config, variables = model(**changes)
  export.write(folder, variables, config, llama.weights(config), HF | changes)
  return folder


def batch(rows: int, length: int, seed: int = 0, weights=None) -> Batch:
  """Random rows [1, rows, length] whose trained-token counts differ a lot."""
  rng = np.random.default_rng(seed)
  ids = rng.integers(1, HF["vocab_size"], (1, rows, length + 1)).astype(np.int32)
  first = rng.integers(0, length - 1, (1, rows, 1))
  at = np.arange(length)[None, None]
  if weights is None:
    weights = (at >= first).astype(np.float32)
  positions = np.broadcast_to(at, (1, rows, length)).astype(np.int32)
  return Batch(
    ids[..., :-1], ids[..., 1:], weights, positions, np.ones((1, rows, length), np.int32)
  )


def write_rows(path: Path, count: int, seed: int = 0) -> Path:
  """Token rows of uneven length, the first third of each untrained."""
  rng = np.random.default_rng(seed)
  with open(path, "w", encoding="utf-8") as f:
    for _ in range(count):
      ids = rng.integers(1, HF["vocab_size"], rng.integers(6, 30)).tolist()
      labels = [-100] * (len(ids) // 3) + ids[len(ids) // 3 :]
      f.write(json.dumps({"input_ids": ids, "labels": labels}) + "\n")
  return path


def run_config(source: Path, rows: Path, **changes):
  """A short run on token rows; `changes` are dotted keys."""
  c = get_config()
  flat = {
    "model.source": str(source), "data.train": str(rows), "data.format": "tokens", "data.max_length": 32,
    "data.validation_fraction": 0.2, "optim.learning_rate": 1e-2, "optim.warmup": "2 steps", "train.batch_size": 8,
    "train.duration": "12 steps", "train.log_every": 1, "eval.every": "4 steps", "eval.samples": 0,
    "checkpoint.every": "5 steps", "log.tensorboard": False,
  }  # fmt: skip
  with c.unlocked():
    c.update_from_flattened_dict({k.replace("__", "."): v for k, v in (flat | changes).items()})
  return c


class Killed(BaseException):
  """The end of a process, which no handler of the loop may catch."""


@contextlib.contextmanager
def killed_after(batches: int):
  """A run in here dies when it puts one batch more than these on its devices, between two updates
  and with no chance to save; it is an error if it does not."""
  real, count = loop.put, itertools.count(1)

  def put(*args):
    if next(count) > batches:
      raise Killed
    return real(*args)

  with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
    patch.setattr(loop, "put", put)
    yield
