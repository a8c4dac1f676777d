"""A source (folder, hub id, "starter", adapter or run) opened: the checkpoint, its tokenizer,
where its weights go."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from ftjax import tree
from ftjax.config import choice
from ftjax.models import hf
from ftjax.parallel import rules
from ftjax.text.tokenizer import load_tokenizer, stop_ids

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


@dataclass(frozen=True)
class Opened:
  """A checkpoint folder with its tokenizer; no weights have been read."""

  checkpoint: hf.Checkpoint
  tokenizer: Any  # None where the folder has none
  stops: tuple[int, ...]  # ids that end a text


def open_source(source: str, revision: str = "") -> Opened:
  """Finds and checks a model. Raises InputError for what is missing or does not fit."""
  folder = hf.resolve(source, revision)
  checkpoint = hf.open_checkpoint(folder)
  tokenizer = load_tokenizer(folder)
  generation = hf.generation_config(folder)
  return Opened(
    checkpoint, tokenizer, stop_ids(tokenizer, generation) if tokenizer is not None else ()
  )


def dtype_of(name: str, key: str = "model.dtype"):
  """jnp.float32 or jnp.bfloat16."""
  return DTYPES[choice(name, DTYPES, key)]


def read_weights(checkpoint: hf.Checkpoint, dtype, mesh=None) -> dict[str, Any]:
  """{"params": ...}, straight to where each leaf lives on the mesh (or on the default device
  without one)."""
  if mesh is None:
    return hf.read(checkpoint, dtype)
  place = lambda name, leaf: tree.flatten(rules.shardings(tree.unflatten({name: leaf}), mesh))[name]
  return hf.read(checkpoint, dtype, place)


def place(variables, mesh):
  """Arrays moved to where the rules want them."""
  return jax.device_put(variables, rules.shardings(variables, mesh))
