"""Tiny checkpoints of every variant that the families have, run here and in transformers."""

import contextlib
import functools
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ftjax.models import decoder, hf

_LLAMA3 = dict(
  rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
  original_max_position_embeddings=32, rope_theta=500_000.0,
)  # fmt: skip
VARIANTS: dict[str, tuple[str, dict]] = {
  "llama": ("llama", {}),
  "llama, one head each": ("llama", dict(num_key_value_heads=4)),
  "llama, one key head": ("llama", dict(num_key_value_heads=1, num_hidden_layers=3)),
  "llama, tied": ("llama", dict(tie_word_embeddings=True)),
  "llama, wide heads": ("llama", dict(head_dim=14)),
  "llama, biases": ("llama", dict(attention_bias=True, mlp_bias=True, hidden_act="gelu")),
  "llama, theta": ("llama", dict(rope_parameters=dict(rope_type="default", rope_theta=700.0))),
  "llama, linear": (
    "llama",
    dict(rope_parameters=dict(rope_type="linear", factor=4.0, rope_theta=10_000.0)),
  ),
  "llama, llama3": ("llama", dict(rope_parameters=_LLAMA3)),
  "gpt2": ("gpt2", {}),
  "gpt2, untied, inner": ("gpt2", dict(tie_word_embeddings=False, n_inner=42)),
  "gptj": ("gptj", {}),
  "gptj, inner": ("gptj", dict(n_inner=42, rotary_dim=2, activation_function="relu")),
}


class Rows(NamedTuple):
  """A batch, and the documents in it as (row, start, stop)."""

  tokens: np.ndarray
  positions: np.ndarray
  segments: np.ndarray
  documents: list[tuple[int, int, int]]


def rows(layout=((53,), (29,), (19, 23)), length: int = 53, vocabulary: int = 97, seed: int = 0):
  """Random documents of these lengths, a tuple for each row, padded to `length`."""
  random = np.random.default_rng(seed)
  zeros = lambda: np.zeros((len(layout), length), np.int32)
  out = Rows(zeros(), zeros(), zeros(), [])
  for row, sizes in enumerate(layout):
    at = 0
    for segment, size in enumerate(sizes, 1):
      here = (row, slice(at, at + size))
      out.tokens[here] = random.permutation(vocabulary)[:size]
      out.positions[here], out.segments[here] = np.arange(size), segment
      out.documents.append((row, at, at + size))
      at += size
  return out


@functools.partial(jax.jit, static_argnames=("model",))
def logits(model: decoder.Decoder, variables, tokens, positions, segments):
  """float32 [B, T, V]."""
  hidden, _ = model.apply(variables, tokens, positions, segments)
  return decoder.logits(hidden, decoder.head(variables, model.config))


def ours(folder: Path, batch: Rows, variables=None) -> np.ndarray:
  """The logits of a folder's model (or of other variables of the same shape), in float32."""
  checkpoint = hf.open_checkpoint(folder)
  variables = variables or hf.read(checkpoint, jnp.float32)
  return np.asarray(logits(decoder.Decoder(checkpoint.config), variables, *batch[:3]))


def theirs(model, batch: Rows) -> list[np.ndarray]:
  """The logits [T, V] of a torch model for every document, each run alone."""
  import torch

  with torch.no_grad():
    ids = [torch.tensor(batch.tokens[row : row + 1, a:b]).long() for row, a, b in batch.documents]
    return [model(x).logits[0].float().numpy() for x in ids]


def difference(ours: np.ndarray, theirs: list[np.ndarray], batch: Rows) -> float:
  """The largest difference over all documents."""
  pairs = zip(batch.documents, theirs, strict=True)
  return max(float(np.abs(ours[row, a:b] - y).max()) for (row, a, b), y in pairs)


@contextlib.contextmanager
def quiet():
  """Without the progress bars of transformers."""
  from transformers.utils import logging

  logging.disable_progress_bar()
  yield
  logging.enable_progress_bar()
