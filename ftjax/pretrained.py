"""A source (folder, hub id, "starter", adapter or run) opened: the checkpoint, its tokenizer, where
its weights go, and what of them is trained."""

import copy
import functools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from ftjax import sources, tree
from ftjax.config import InputError, choice
from ftjax.models import hf, lora, only, shapes, vocabulary
from ftjax.models.adapters import starting
from ftjax.models.quant import base as quant
from ftjax.models.tensors import our_shape
from ftjax.parallel import distributed, rules
from ftjax.text import tokenizer as tokenizers
from ftjax.train import rates

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


@dataclass(frozen=True)
class Opened:
  """A checkpoint folder with its tokenizer; no weights have been read."""

  checkpoint: hf.Checkpoint
  tokenizer: Any  # None where the folder has none
  stops: tuple[int, ...]  # ids that end a text
  new_ids: tuple[int, ...] = ()  # of tokens that were added
  virtual: int = 0  # positions that an adapter takes before every document's tokens

  @property
  def room(self) -> int:
    """How many tokens a document may have."""
    return self.checkpoint.config.room(self.virtual)


def open_source(source: str, revision: str = "", new_tokens: str = "") -> Opened:
  """Finds and checks a model. Raises InputError for what is missing or does not fit."""
  if source in shapes.SHAPES and not Path(source).expanduser().is_dir():
    raise shapes.no_weights(source)
  folder = sources.find_full(source, revision)
  checkpoint = hf.open_checkpoint(folder)
  tokenizer = tokenizers.load_tokenizer(folder)
  generation = hf.generation_config(folder)
  stops = tokenizers.stop_ids(tokenizer, generation, checkpoint.hf_config)
  checkpoint, new_ids = add_tokens(checkpoint, tokenizer, new_tokens)
  return Opened(checkpoint, tokenizer, stops, new_ids)


def open_run(config, opened: Opened | None = None) -> Opened:
  """The model that a run's config names, as its adapter wants it: with the tokens that are added, a
  vocabulary that a mesh divides, and a head of its own where the adapter needs one.

  opened: the source, where it is not to be opened from config.model (as for planning).
  """
  m, a = config.model, config.adapter
  opened = opened or open_source(m.source, m.revision, m.new_tokens)
  opened.checkpoint.format_for(m.quantize)
  if a.kind == "none":
    opened.checkpoint.need_full("training its own weights (adapter.kind=none)")
  checkpoint, virtual = opened.checkpoint, a.tokens if a.kind in ("prompt", "prefix") else 0
  if a.kind != "none" and a.source:
    found = lora.open_folder(a.source)
    checkpoint, virtual = lora.base_for(found, checkpoint), lora.virtual_tokens(found)
  elif a.kind == "lora" and a.targets != "all-linear":
    own = vocabulary.untied(checkpoint)
    chosen = lora.choose(own.config, own.table, a.targets)
    tables = [t.module for path, t in chosen.items() if path in ("embed/tokens", "head")]
    if tables and opened.new_ids:
      raise InputError(
        f"adapter.targets has {', '.join(tables)}, and model.new_tokens trains rows of it: PEFT has no form for "
        "both on one table. Leave it out of adapter.targets (the new rows are trained all the same), or leave "
        "model.new_tokens empty."
      )
    checkpoint = own if tables else checkpoint
  if m.new_tokens_only and checkpoint.config.head_bias and not checkpoint.config.tied:
    raise InputError(
      "model.new_tokens_only: this model's head has a bias, and an adapter in PEFT's format cannot hold "
      "rows of such a head alone. Use adapter.kind=lora, which trains the new rows beside its own."
    )
  context = checkpoint.config.max_length
  if virtual > context - 2:
    raise InputError(
      f"The adapter has {virtual} virtual tokens, and the model's context of {context} tokens must have "
      "room for at least two more. Lower adapter.tokens."
    )
  padded = vocabulary.padded(checkpoint, m.pad_vocab_to)
  return replace(opened, checkpoint=padded, virtual=virtual)


def resolved(config: ConfigDict, opened: Opened) -> ConfigDict:
  """The config with what the model decides, so that everything sees what is trained, and how: the
  format of its files, where they are quantized, and the learning rate, where that is 0."""
  config = copy.deepcopy(config)
  checkpoint, o = opened.checkpoint, config.optim
  config.model.quantize = checkpoint.format_for(config.model.quantize)
  if not o.learning_rate:
    shapes = [our_shape(w, checkpoint.config) for w in checkpoint.table]
    o.learning_rate = rates.suitable(sum(map(math.prod, shapes)), config.adapter.kind, o.name)
  return config


def add_tokens(checkpoint: hf.Checkpoint, tokenizer, new_tokens: str):
  """(the checkpoint with rows for these tokens, their ids); the tokenizer gets the tokens."""
  if not new_tokens:
    return checkpoint, ()
  if tokenizer is None:
    raise InputError("model.new_tokens needs a tokenizer, and the model folder has none.")
  known = min(len(tokenizer), checkpoint.config.vocabulary)
  begins = tokenizers.add_tokens(tokenizer, new_tokens)
  return vocabulary.grown(checkpoint, max(begins) + 1, begins, known), tuple(begins)


def variables_of(config, opened: Opened, mesh) -> tuple[dict[str, Any], dict[str, Any]]:
  """(trainable, frozen) collections of a run before its first update, on the mesh."""
  m = config.model
  base = read_weights(opened.checkpoint, dtype_of(m.dtype), mesh, m.quantize)
  adapter = _adapter_read(config, opened, None if quant.COLLECTION in base else base)
  return _parted(config, opened, mesh, base, adapter)


def shapes_of(config, opened: Opened) -> tuple[dict[str, Any], dict[str, Any]]:
  """What variables_of gives, as shape structs: of the base, no weights are read but the few leaves that
  an adapter from a folder leaves open."""
  m, checkpoint = config.model, opened.checkpoint
  named = {
    "params/" + w.path: jax.ShapeDtypeStruct(our_shape(w, checkpoint.config), dtype_of(m.dtype))
    for w in checkpoint.table
  }
  base = quant.abstract(tree.unflatten(named), m.quantize)
  # What is in an adapter can depend on what its numbers are, so that these are read.
  adapter = _adapter_read(config, opened, None)
  return jax.eval_shape(functools.partial(_parted, config, opened, None), base, adapter)


def _adapter_read(config, opened: Opened, base) -> dict[str, Any] | None:
  """The collections of the adapter that a run begins from; None where it begins from none."""
  a = config.adapter
  if a.kind == "none" or not a.source:
    return None
  adapter = lora.read(a.source, opened.checkpoint, base)
  lora.check_kind(a.kind, adapter, a.source)
  if opened.new_ids and not set(opened.new_ids) <= _with_rows(adapter):
    raise InputError(
      f"adapter.source={a.source!r} has no rows for all of model.new_tokens. Begin a new adapter."
    )
  return adapter


def _parted(config, opened: Opened, mesh, base, adapter):
  """(trainable, frozen) of a base and the adapter that was read for it; a new one where None was."""
  checkpoint, m, a = opened.checkpoint, config.model, config.adapter
  adapter, new = adapter or {}, adapter is None
  if new and a.kind != "none":
    key = jax.random.fold_in(jax.random.key(config.train.seed), 1)  # 0 is the updates' own
    adapter = starting.new(key, checkpoint, base, a)
  if opened.new_ids and (a.kind == "lora" and new or m.new_tokens_only):
    adapter |= lora.init_rows(opened.new_ids, base)
  if not adapter and config.train.only:
    chosen = only.choose(checkpoint.config, checkpoint.table, config.train.only)
    return only.split(base, chosen)
  if not adapter:
    return base, {}
  trainable, rest = lora.split(place(adapter, mesh) if mesh is not None else adapter)
  return trainable, base | rest


def _with_rows(adapter) -> set[int]:
  """The tokens that have rows in the adapter, or all of whose rows are in it."""
  named = tree.flatten(adapter)
  rows = {int(i) for n, x in named.items() if n.startswith("row_ids/") for i in x}
  whole = [x for n, x in named.items() if n == "saved/embed/tokens"]
  return rows | set(range(len(whole[0]) if whole else 0))


def computed_in(model) -> str:
  """The dtype that a config's `model` computes in; its parameters are in model.dtype."""
  return model.compute_dtype or model.dtype


def dtype_of(name: str, key: str = "model.dtype"):
  """jnp.float32 or jnp.bfloat16."""
  return DTYPES[choice(name, DTYPES, key)]


def read_weights(checkpoint: hf.Checkpoint, dtype, mesh=None, quantize: str = "") -> dict[str, Any]:
  """{"params": ...}, with "quant" where a format to quantize to is given, straight to where each
  leaf lives on the mesh (or on the default device without one)."""
  place = None
  if mesh is not None:
    place = lambda name, leaf: tree.flatten(rules.shardings(tree.unflatten({name: leaf}), mesh))[
      name
    ]
  params = hf.read(vocabulary.as_stored(checkpoint), dtype, place, quantize)
  return tree.map_named(lambda name, x: vocabulary.grow(checkpoint, name, x, place), params)


def place(variables, mesh):
  """Arrays moved to where the rules want them."""
  return jax.tree.map(distributed.put, variables, rules.shardings(variables, mesh))
