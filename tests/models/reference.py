"""Tiny checkpoints run here and in transformers, with and without PEFT, and what was written
compared to the bit."""

import contextlib
import copy
import functools
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy

from ftjax.models import decoder, hf


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


# Half the time to compile, and none of these models runs long.
FAST = {"xla_backend_optimization_level": 0}


@functools.partial(jax.jit, static_argnames=("model",), compiler_options=FAST)
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
  """The logits [T, V] of a torch model for every document, each run alone.

  And each by a copy: a model with dynamic rope remembers the longest document that it has seen.
  """
  import torch

  # These ropes change with the longest document that a model has seen.
  by_length = lambda m: any(r in str(getattr(m, "rope_type", "")) for r in ("dynamic", "longrope"))
  remembers = any(map(by_length, model.modules()))
  with torch.no_grad():
    ids = [torch.tensor(batch.tokens[row : row + 1, a:b]).long() for row, a, b in batch.documents]
    alone = lambda: copy.deepcopy(model) if remembers else model
    return [alone()(x).logits[0].float().numpy() for x in ids]


def difference(ours: np.ndarray, theirs: list[np.ndarray], batch: Rows) -> float:
  """The largest difference over all documents."""
  pairs = zip(batch.documents, theirs, strict=True)
  return max(float(np.abs(ours[row, a:b] - y).max()) for (row, a, b), y in pairs)


def tensors_of(folder) -> dict:
  """Every tensor in every safetensors file of a folder."""
  files = sorted(folder.glob("*.safetensors"))
  return {k: v for f in files for k, v in safetensors.numpy.load_file(f).items()}


def assert_same_bits(x: dict, y: dict):
  """The same names, dtypes, shapes and bits."""
  assert x.keys() == y.keys()
  for name in x:
    assert x[name].dtype == y[name].dtype, name
    assert x[name].shape == y[name].shape, name
    assert x[name].tobytes() == y[name].tobytes(), name


@contextlib.contextmanager
def quiet():
  """Without the progress bars of transformers."""
  from transformers.utils import logging

  logging.disable_progress_bar()
  yield
  logging.enable_progress_bar()
