"""Single rows of the token table and of the head, one for each of some tokens (PEFT's trainable
tokens): they stand in for the base's, whatever those are.

  rows/PATH      rows [n, W]        PATH: embed/tokens, or head
  row_ids/PATH   ids int32 [n]
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ftjax.config import InputError
from ftjax.models.adapters import settings
from ftjax.models.adapters.folder import Reader, Writer
from ftjax.models.adapters.plain import check_merge as check_merge
from ftjax.models.adapters.plain import embedded as embedded
from ftjax.models.adapters.plain import inputs as inputs
from ftjax.models.adapters.plain import keys as keys
from ftjax.models.adapters.plain import linear as linear
from ftjax.models.adapters.plain import outputs as outputs
from ftjax.models.adapters.plain import part as part
from ftjax.models.adapters.plain import virtual as virtual
from ftjax.models.tensors import to_theirs

TRAINED, FROZEN = ("rows",), ("row_ids",)


def read_by_layers(path: str) -> bool:
  """Never: whoever reads a parameter gets another."""
  return False


def merge(name: str, leaf: jax.Array, adapter: Mapping[str, jax.Array]) -> jax.Array:
  """A token table or head with the rows in their places, in its dtype."""
  path = name.removeprefix("params/").removesuffix("/kernel")
  if f"rows/{path}/rows" not in adapter:
    return leaf
  ids, rows = adapter[f"row_ids/{path}/ids"], adapter[f"rows/{path}/rows"].astype(leaf.dtype)
  if name.endswith("/kernel"):  # [D, V]: a token is an output
    return leaf.at[:, ids].set(rows.T)
  return leaf.at[ids].set(rows)


def init(ids: Sequence[int], params: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
  """The rows that some tokens have in every table of `params`, by name, in float32."""
  named, ids = {}, np.asarray(ids, np.int32)
  tables = {"embed/tokens": lambda x: x[ids], "head": lambda x: x[:, ids].T}
  for path, take in tables.items():
    name = "params/embed/tokens" if path == "embed/tokens" else "params/head/kernel"
    if name in params:
      named[f"rows/{path}/rows"] = take(params[name]).astype(jnp.float32)
      named[f"row_ids/{path}/ids"] = jnp.asarray(ids)
  return named


def read(r: Reader) -> dict[str, np.ndarray]:
  """The rows of a PEFT folder."""
  named = {}
  for path in ("embed/tokens", "head"):
    if path not in r.targets:
      continue
    (module,), width = r.targets[path].modules(r.config), r.config.sizes["W"]
    keys = [f"{module}.{name}" for name in ("token_adapter." + _DELTA, _DELTA)]
    found = [r.left.pop(key) for key in keys if key in r.left]
    ids = settings.token_ids(r.settings, module, is_input=path == "embed/tokens")
    if not found and not ids:
      continue
    if not found or not ids or found[0].shape != (len(ids), width):
      raise InputError(
        f"{r.folder}: the settings name {len(ids or ())} tokens with rows of their own in {module}, and "
        f"its tensors hold {found[0].shape if found else 'none'}, where a row has {width} numbers."
      )
    if path == "head" and r.config.head_bias:
      raise InputError(
        f"{r.folder} has rows for {module} (trainable_token_indices), which has a bias: PEFT leaves it "
        "out with the adapter and puts it in when merging. Merge it with PEFT, or train without."
      )
    named[f"rows/{path}/rows"] = found[0]
    named[f"row_ids/{path}/ids"] = np.asarray(ids, np.int32)
  return named


_DELTA = "trainable_tokens_delta"


def write(w: Writer) -> None:
  """Adds the rows; alone, without pairs, they are an adapter of PEFT's kind TRAINABLE_TOKENS."""
  mine = {path: t for path, t in w.targets.items() if f"rows/{path}/rows" in w.adapter}
  alone = "peft_type" not in w.settings
  listed = {}
  for path, t in mine.items():
    (module,) = t.modules(w.config)
    ids = w.adapter[f"row_ids/{path}/ids"].tolist()
    if path == "head" and w.config.head_bias:
      _write_head(w, module, alone)
      continue
    listed[module] = ids
    rows = np.ascontiguousarray(w.adapter[f"rows/{path}/rows"])
    w.tensors[f"{module}.{_DELTA}" if alone else f"{module}.token_adapter.{_DELTA}"] = rows
    if alone and w.config.tied:  # where PEFT writes it once more
      w.tensors[f"{settings.HEAD}.{_DELTA}"] = rows
  if listed and alone:
    w.settings |= {"peft_type": "TRAINABLE_TOKENS", "target_modules": sorted(listed)}
    w.settings["token_indices"] = next(iter(listed.values()))
  elif listed:
    w.settings["trainable_token_indices"] = listed


def _write_head(w: Writer, module: str, alone: bool) -> None:
  """A head with a bias is written whole: PEFT's rows would lose the bias."""
  if alone:
    raise InputError(
      f"PEFT has no form for rows of {module} alone, as it has a bias. Train pairs with them "
      "(adapter.kind=lora), or everything."
    )
  for weight in w.table:
    if weight.path in ("head/kernel", "head/bias"):
      name = f"params/{weight.path}"
      leaf = np.asarray(merge(name, jnp.asarray(w.base(name)), w.adapter))
      w.tensors[weight.hf_name] = np.ascontiguousarray(to_theirs(leaf, weight, w.config))
  w.settings["modules_to_save"] = [*w.settings.get("modules_to_save", ()), module]
