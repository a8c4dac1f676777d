"""Prompt tuning (Lester et al. 2021): trained vectors that stand before the tokens of every document.

  prompt/embed   rows [P, D]

The decoder puts the ids V, V + 1, ... in front of its rows (models/virtual.py), and Embed looks them
up here. As in PEFT they are vectors of the model's width, behind the token table's scale and before
learned positions. Reference: PeftModelForCausalLM.forward in peft/peft_model.py.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from ftjax.config import InputError, positive
from ftjax.models.adapters.folder import Reader, Writer
from ftjax.models.adapters.plain import inputs as inputs
from ftjax.models.adapters.plain import keys as keys
from ftjax.models.adapters.plain import linear as linear
from ftjax.models.adapters.plain import merge as merge
from ftjax.models.adapters.plain import outputs as outputs
from ftjax.models.adapters.plain import part as part
from ftjax.models.adapters.plain import read_by_layers as read_by_layers
from ftjax.models.config import ModelConfig

TRAINED, FROZEN = ("prompt",), ()
KEY = "prompt_embeddings"  # PEFT's name for what it keeps of virtual tokens, of either kind


def virtual(variables: Mapping) -> tuple[int, int]:
  """(P, 0): they come in as tokens."""
  return (variables["prompt"]["embed"]["rows"].shape[0] if "prompt" in variables else 0), 0


def embedded(x_BTD: jax.Array, numbers_BT: jax.Array, leaves: Mapping) -> jax.Array:
  """Token vectors, with those of virtual tokens in their places. numbers: 0 for the first virtual
  token; below for what is none."""
  if "prompt" not in leaves:
    return x_BTD
  rows_PD = leaves["prompt"]["rows"].astype(x_BTD.dtype)
  own_BTD = jnp.take(rows_PD, jnp.clip(numbers_BT, 0), axis=0, mode="clip")
  return jnp.where(numbers_BT[..., None] >= 0, own_BTD, x_BTD)


def check_merge(names, adapter: Mapping[str, jax.Array]) -> None:
  """Raises InputError: no parameter can take virtual tokens."""
  if virtual_leaves := [n for n in adapter if n.startswith(("prompt/", "prefix/"))]:
    raise InputError(
      f"The adapter has virtual tokens ({virtual_leaves[0].partition('/')[0]} tuning): no weights "
      "can hold them, so it cannot be merged. Keep base and adapter apart."
    )


def check(config: ModelConfig) -> None:
  """Raises InputError for a model whose documents cannot share virtual tokens."""
  ropes = [r for r in (config.rope, config.local_rope) if r is not None]
  if config.embed_width or any(r.by_length for r in ropes):
    what = "project their token vectors" if config.embed_width else "turn by a document's length"
    raise InputError(
      f"adapter.kind=prompt is not there for models that {what}. Use prefix or lora."
    )


def init(key: jax.Array, config: ModelConfig, table_VD: jax.Array, tokens: int) -> dict:
  """The vectors of `tokens` random tokens (which learn faster than random vectors: section 3.2 of the
  paper), by name, in float32."""
  check(config)
  positive(tokens, "adapter.tokens")
  ids = jax.random.randint(key, (tokens,), 0, config.vocabulary)
  rows_PD = jnp.take(table_VD, ids, axis=0).astype(jnp.float32) * config.embed_scale
  return {"prompt/embed/rows": rows_PD}


def read(r: Reader) -> dict[str, np.ndarray]:
  """The vectors of a PEFT folder."""
  if r.settings.get("peft_type") != "PROMPT_TUNING":
    return {}
  check(r.config)
  rows = r.left.pop(KEY, np.zeros((0, 0)))
  wanted = r.settings.get("num_virtual_tokens"), r.config.D
  if rows.shape != wanted:
    raise InputError(f"{r.folder} is for another base: {KEY} is {rows.shape}, and here {wanted}.")
  return {"prompt/embed/rows": rows}


def write(w: Writer) -> None:
  """Adds the vectors and their settings."""
  rows = w.adapter.get("prompt/embed/rows")
  if rows is not None:
    w.plain[KEY] = np.ascontiguousarray(rows)
    w.settings |= {"peft_type": "PROMPT_TUNING", "prompt_tuning_init": "RANDOM"} | sizes(
      w, len(rows)
    )


def sizes(w: Writer, tokens: int) -> dict[str, int]:
  """The settings that both kinds of virtual tokens need in PEFT."""
  return {
    "num_virtual_tokens": tokens, "token_dim": w.config.D, "num_transformer_submodules": 1,
    "num_attention_heads": w.config.N, "num_layers": w.config.L,
  }  # fmt: skip
