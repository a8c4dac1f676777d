"""A checkpoint seen otherwise than it is stored: with tokens added, with rows that pad the
vocabulary for a mesh, with a head of its own where it is tied.

  ids      0 ... stored - 1 | ... vocabulary - 1 | ... V - 1
  rows     the checkpoint's | tokens added       | padding: logits of -inf, never written to a folder
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from ftjax import tree
from ftjax.config import InputError
from ftjax.models import hf
from ftjax.models.config import ModelConfig


@dataclass(frozen=True)
class Growth:
  """Rows that are added to what is read.

  stored: how many rows the checkpoint's tables have. known: of those, the first ones, how many are
  tokens. begins: (id, the ids whose mean its row begins as; () is the mean of all known ones). Other
  rows below the vocabulary's size begin as that mean too; padding is zero.
  """

  stored: int
  known: int
  begins: tuple[tuple[int, tuple[int, ...]], ...] = ()


def untied(checkpoint: hf.Checkpoint) -> hf.Checkpoint:
  """The same model with a head of its own, which is read from the token table's tensor; as it is
  where it has one."""
  if not checkpoint.config.tied:
    return checkpoint
  config = checkpoint.config.with_(tied=False)
  table = hf.load_family(checkpoint.hf_config).weights(config)
  names = {w.path: w.hf_name for w in table}
  if "head/kernel" not in names:
    raise InputError(f"A {checkpoint.hf_config['model_type']} model cannot have an untied head.")
  stored = checkpoint.stored | {names["head/kernel"]: checkpoint.stored[names["embed/tokens"]]}
  hf_config = checkpoint.hf_config | {"tie_word_embeddings": False}
  return replace(checkpoint, config=config, table=table, stored=stored, hf_config=hf_config)


def at_least(checkpoint: hf.Checkpoint, tokens: int) -> hf.Checkpoint:
  """With rows for so many tokens; as it is where it has them."""
  return checkpoint if tokens <= checkpoint.config.vocabulary else grown(checkpoint, tokens, {})


def grown(
  checkpoint: hf.Checkpoint, tokens: int, begins: Mapping[int, tuple[int, ...]], known: int = 0
) -> hf.Checkpoint:
  """With rows for `tokens` tokens; begins and known as in Growth, known 0 is all stored ones."""
  config, old = checkpoint.config, checkpoint.growth
  stored = old.stored if old else config.V
  before = dict(old.begins) if old else {}
  growth = Growth(stored, known or (old.known if old else stored), tuple((before | begins).items()))
  size = max(config.vocabulary, tokens)
  hf_config = checkpoint.hf_config | {"vocab_size": size}
  config = config.with_(V=size, vocab_padding=0)
  return replace(checkpoint, config=config, hf_config=hf_config, growth=growth)


def padded(checkpoint: hf.Checkpoint, multiple: int) -> hf.Checkpoint:
  """With rows that no token has, up to a multiple, so that a mesh can split them evenly."""
  if multiple < 1:
    raise InputError(f"model.pad_vocab_to={multiple} must be at least 1 (no padding).")
  config = checkpoint.config
  more = -config.vocabulary % multiple
  if more == config.vocab_padding:
    return checkpoint
  growth = checkpoint.growth or Growth(config.vocabulary, config.vocabulary)
  config = config.with_(V=config.vocabulary + more, vocab_padding=more)
  return replace(checkpoint, config=config, growth=growth)


def as_stored(checkpoint: hf.Checkpoint) -> hf.Checkpoint:
  """The checkpoint with the sizes that its files have."""
  if checkpoint.growth is None:
    return checkpoint
  config = checkpoint.config.with_(V=checkpoint.growth.stored, vocab_padding=0)
  return replace(checkpoint, config=config)


def grow(
  checkpoint: hf.Checkpoint, name: str, leaf: jax.Array, place: Callable | None = None
) -> jax.Array:
  """A leaf of params as it was read, with the rows that are added, placed by place(name, shape
  struct)."""
  axis = _axis(name)
  if checkpoint.growth is None or axis is None:
    return leaf
  config = checkpoint.config
  shape = tuple(config.V if i == axis else n for i, n in enumerate(leaf.shape))
  out = place and place(name, jax.ShapeDtypeStruct(shape, leaf.dtype))
  add = functools.partial(_add, growth=checkpoint.growth, config=config, axis=axis)
  return jax.jit(add, out_shardings=out)(leaf)


def _add(x, *, growth: Growth, config: ModelConfig, axis: int):
  x = jnp.moveaxis(x, axis, 0)
  begins = dict.fromkeys(range(growth.stored, config.vocabulary), ()) | dict(growth.begins)
  rows = jnp.zeros((config.V, *x.shape[1:]), x.dtype).at[: growth.stored].set(x)
  if begins:
    mean = lambda some: some.astype(jnp.float32).mean(0).astype(x.dtype)
    usual = mean(x[: growth.known])
    new = [mean(x[jnp.asarray(ids)]) if ids else usual for ids in begins.values()]
    rows = rows.at[jnp.asarray(list(begins))].set(jnp.stack(new))
  return jnp.moveaxis(rows, 0, axis)


def trimmed(config: ModelConfig, variables) -> tuple[ModelConfig, dict[str, Any]]:
  """Without the rows that pad the vocabulary, whatever the collection."""
  cut = lambda name, x: resized(name, x, config.vocabulary)
  return config.with_(V=config.vocabulary, vocab_padding=0), tree.map_named(cut, variables)


def resized(name: str, leaf: jax.Array, rows: int) -> jax.Array:
  """A leaf by its name, cut or filled up with zeros to so many rows of the vocabulary where it has
  such."""
  axis = _axis(name)
  more = 0 if axis is None else rows - leaf.shape[axis]
  if more > 0:
    return jnp.pad(leaf, [(0, more if i == axis else 0) for i in range(leaf.ndim)])
  return jax.lax.slice_in_dim(leaf, 0, rows, axis=axis) if more else leaf


# Which dim of a leaf counts the vocabulary.
_AXES = (
  (r"(params|saved)/embed/tokens", 0),  # [V, D]
  (r"(params|saved)/head/kernel", 1),  # [D, V]
  (r"(params|saved)/head/bias", 0),  # [V]
  (r"lora/embed/tokens/a", 0),  # [V, r]
  (r"lora(_start)?/head/b", 1),  # [r, V]
  (r"lora/head/magnitude", 0),  # [V]
  (r"ia3/head/outputs", 0),  # [V]
)


def _axis(name: str) -> int | None:
  return next((axis for pattern, axis in _AXES if re.fullmatch(pattern, name)), None)
