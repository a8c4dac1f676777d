"""Prefix tuning (Li & Liang 2021): trained keys and values, in every layer, that stand before those of
every document's tokens.

  prefix/layers/attention   key, value [L, P, K, H]

They are as the KV cache would have them: neither normed nor turned by rope, as in PEFT, where the
documents' positions begin at P. models/virtual.py says how documents share them.
Reference: PeftModel.get_prompt in peft/peft_model.py.
"""

from collections.abc import Mapping

import einops
import jax
import numpy as np

from ftjax.config import InputError
from ftjax.models.adapters.folder import Reader, Writer
from ftjax.models.adapters.plain import check_merge as check_merge
from ftjax.models.adapters.plain import embedded as embedded
from ftjax.models.adapters.plain import inputs as inputs
from ftjax.models.adapters.plain import linear as linear
from ftjax.models.adapters.plain import merge as merge
from ftjax.models.adapters.plain import outputs as outputs
from ftjax.models.adapters.plain import part as part
from ftjax.models.adapters.plain import read_by_layers as read_by_layers
from ftjax.models.adapters.prompt import KEY, sizes

TRAINED, FROZEN = ("prefix",), ()
PATH = "prefix/layers/attention"


def virtual(variables: Mapping) -> tuple[int, int]:
  """(0, P): they come in as keys."""
  leaves = jax.tree.leaves(variables.get("prefix", {}))
  return 0, leaves[0].shape[-3] if leaves else 0


def keys(leaves: Mapping) -> tuple[jax.Array, jax.Array] | None:
  """(keys, values) [P, K, H] of one layer."""
  return (leaves["prefix"]["key"], leaves["prefix"]["value"]) if "prefix" in leaves else None


def read(r: Reader) -> dict[str, np.ndarray]:
  """The keys and values of a PEFT folder."""
  if r.settings.get("peft_type") != "PREFIX_TUNING":
    return {}
  c, flat = r.config, r.left.pop(KEY, np.zeros((0, 0)))
  wanted = r.settings.get("num_virtual_tokens"), c.L * 2 * c.K * c.H
  if flat.shape != wanted:
    raise InputError(f"{r.folder} is for another base: {KEY} is {flat.shape}, and here {wanted}.")
  both = einops.rearrange(flat, "P (L two K H) -> two L P K H", L=c.L, two=2, K=c.K)
  return {f"{PATH}/key": both[0], f"{PATH}/value": both[1]}


def write(w: Writer) -> None:
  """Adds the keys and values, and their settings: the width that PEFT gives for grouped queries is
  that of the keys."""
  if f"{PATH}/key" not in w.adapter:
    return
  both = np.stack([w.adapter[f"{PATH}/{name}"] for name in ("key", "value")])
  w.plain[KEY] = np.ascontiguousarray(einops.rearrange(both, "two L P K H -> P (L two K H)"))
  width = w.config.K * w.config.H
  w.settings |= {"peft_type": "PREFIX_TUNING", "encoder_hidden_size": width} | sizes(
    w, both.shape[2]
  )
  w.settings |= {
    "token_dim": width, "num_attention_heads": w.config.K, "prefix_projection": False,
  }  # fmt: skip
