"""Which parameters are trained where not all are: norms, biases (BitFit, Ben Zaken et al. 2022), the
last layers, or what a name says. The others have neither gradients nor optimizer state."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ftjax import tree
from ftjax.config import InputError
from ftjax.models import stacked
from ftjax.models.adapters.norms import is_norm
from ftjax.models.config import ModelConfig, Weight
from ftjax.models.targets import named

WORDS = {"norms": is_norm, "biases": lambda name: name.endswith("/bias")}
_LAST = re.compile(r"last (\d+) layers?")


class Only(NamedTuple):
  """How many of the last layers are trained, and which leaves (their names in params) of all."""

  last: int
  leaves: frozenset[str]


def choose(config: ModelConfig, table: list[Weight], only: str) -> Only:
  """What train.only says: items separated by commas, each of which adds to the others.

  "norms", "biases", "last 2 layers"; a name is the end of the checkpoint's module name ("q_proj",
  "embed_tokens", "lm_head") or of ours ("attention/query"), a pattern a regex for the whole of
  either. Raises InputError for an item that means nothing in this model.
  """
  last, leaves = 0, set()
  for item in filter(None, (x.strip() for x in only.split(","))):
    if m := _LAST.fullmatch(item):
      last = max(last, int(m[1]))
      if not 0 < int(m[1]) <= config.L:
        raise InputError(f"train.only: {item!r}, and the model has {config.L} layers.")
      continue
    hits = {f"params/{w.path}" for w in table if _means(item, w)}
    if not hits:
      modules = sorted({_module(w).rsplit(".", 1)[-1] for w in table})
      raise InputError(
        f"train.only: {item!r} is nothing that this model has: no parameter would be trained by it. "
        f"Use norms, biases, 'last 2 layers', or some of: {', '.join(modules)}."
      )
    leaves |= hits
  if not last and not leaves:
    raise InputError(f"train.only={only!r} names nothing: no parameter would be trained.")
  return Only(last, frozenset(leaves))


def _module(w: Weight) -> str:
  return re.sub(r"\.(weight|bias)$", "", w.hf_name)


def _means(item: str, w: Weight) -> bool:
  if item in WORDS:
    return WORDS[item](f"params/{w.path}")
  path = re.sub(r"/(kernel|bias|scale)$", "", w.path)
  return any(named(item, x, "train.only") for x in (path, w.path, _module(w), w.parameter) if x)


def split(variables: Mapping[str, Any], only: Only) -> tuple[dict[str, Any], dict[str, Any]]:
  """(what is trained, what is not), with the last layers apart (models/stacked.py)."""
  of_all = lambda name: name.replace(stacked.LAST, "layers", 1) in only.leaves
  trained = lambda name: name.startswith(f"params/{stacked.LAST}/") or of_all(name)
  return tree.split(stacked.apart(variables, only.last), trained)
