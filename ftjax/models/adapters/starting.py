"""A new adapter of each kind, as a config's adapter keys ask for it. All but prompts and prefixes are
the identity."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ftjax import tree
from ftjax.config import InputError, choice, positive
from ftjax.defaults import get_config
from ftjax.models import lora
from ftjax.models.adapters import ia3, norms, prefix, prompt
from ftjax.models.decoder import unstack
from ftjax.models.hf import Checkpoint
from ftjax.models.prefixes import keys_of


def _lora(key, checkpoint: Checkpoint, base, a):
  return lora.init(
    key, checkpoint.config, _chosen(checkpoint, a), rank=a.rank, alpha=a.alpha, rslora=a.rslora,
    dora=base if a.dora else None, patterns=a.patterns, begin=a.init, base=base,
  )  # fmt: skip


def _ia3(key, checkpoint: Checkpoint, base, a):
  del key, base
  return tree.unflatten(ia3.init(_chosen(checkpoint, a)))


def _norms(key, checkpoint: Checkpoint, base, a):
  del key, checkpoint, a
  return tree.unflatten(norms.init(tree.flatten({"params": base["params"]})))


def _prompt(key, checkpoint: Checkpoint, base, a):
  rows_VD = base["params"]["embed"]["tokens"]
  return tree.unflatten(prompt.init(key, checkpoint.config, rows_VD, a.tokens))


def _prefix(key, checkpoint: Checkpoint, base, a):
  """The keys and values that random tokens have: section 7.4 of the paper finds that real ones learn
  faster than random numbers, and the model is less disturbed by them."""
  c = checkpoint.config
  ids = jax.random.randint(key, (positive(a.tokens, "adapter.tokens"),), 0, c.vocabulary)
  keys = jax.jit(lambda base: keys_of(unstack(base, c.L), c, ids, jnp.float32))(base)
  stacked = {name: jnp.stack([own[name] for own in keys]) for name in ("key", "value")}
  return tree.unflatten({f"{prefix.PATH}/{name}": x for name, x in stacked.items()})


NEW: dict[str, Callable[..., dict[str, Any]]] = {
  "lora": _lora, "ia3": _ia3, "prompt": _prompt, "prefix": _prefix, "norms": _norms,
}  # fmt: skip
NONE = "none"


def new(key: jax.Array, checkpoint: Checkpoint, base: Mapping[str, Any], a) -> dict[str, Any]:
  """The collections of a new adapter. base: {"params": ...}. a: the config's `adapter`, checked."""
  return NEW[a.kind](key, checkpoint, base, a)


def check(a, new_tokens: bool = False, only: str = "") -> None:
  """Raises InputError for keys that do not go together, before anything is read. only: train.only."""
  choice(a.kind, (NONE, *NEW), "adapter.kind")
  choice(a.init, lora.BEGINNINGS, "adapter.init")
  lora.parse_patterns(a.patterns)
  usual = get_config().adapter
  given = [key for key in ("source", *usual) if a[key] != usual[key]]
  if a.kind == NONE and given:
    own = lora.kind_named(a.source) if a.source else "lora"
    raise InputError(
      f"adapter.{given[0]}={a[given[0]]!r} with adapter.kind=none: all parameters of the base would be trained, "
      f"and no adapter. Add --config.adapter.kind={own}, or leave adapter.{given[0]} out."
    )
  pairs_only = {
    "dora": a.dora, "rslora": a.rslora, "init": a.init != "default", "patterns": a.patterns,
    "dropout": a.dropout, "lora_plus": a.lora_plus != 1,
  }  # fmt: skip
  if a.kind not in (NONE, "lora") and (wrong := [k for k, on in pairs_only.items() if on]):
    raise InputError(
      f"adapter.{wrong[0]} is for low-rank pairs, and adapter.kind={a.kind} has none. Use "
      "adapter.kind=lora, or leave it out."
    )
  if only and a.kind != NONE:
    raise InputError(
      f"train.only={only!r} says which of the base's own parameters are trained, and adapter.kind="
      f"{a.kind} trains none of them. Use one of the two."
    )
  if new_tokens and a.kind not in (NONE, "lora"):
    raise InputError(
      f"model.new_tokens with adapter.kind={a.kind}: PEFT has no form for their rows beside it. Use "
      "adapter.kind=lora, or adapter.kind=none."
    )


def _chosen(checkpoint: Checkpoint, a):
  return lora.choose(checkpoint.config, checkpoint.table, a.targets)
