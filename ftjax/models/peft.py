"""PEFT's adapter folders, read and written: the folder as a whole. What is in it is the kinds' matter."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ftjax import storage, tree
from ftjax.config import InputError
from ftjax.models import tensors as tensors_io
from ftjax.models import vocabulary
from ftjax.models.adapters import settings as rules
from ftjax.models.adapters.folder import Reader, Writer
from ftjax.models.adapters.kinds import COLLECTIONS, KINDS
from ftjax.models.adapters.settings import HEAD, SETTINGS
from ftjax.models.config import ModelConfig, Weight
from ftjax.models.formats import safetensors, torch_bin
from ftjax.models.formats.stored import DTYPES
from ftjax.models.hf import Checkpoint
from ftjax.models.tensors import read_json
from ftjax.parallel import distributed

WEIGHTS, PICKLED = "adapter_model.safetensors", "adapter_model.bin"
PREFIX = "base_model.model."


@dataclass
class Folder:
  """A PEFT folder as it is: adapter_config.json, and its tensors by the checkpoint's names."""

  path: Path
  settings: dict[str, Any]
  tensors: dict[str, np.ndarray]

  def under(self, module: str) -> dict[str, np.ndarray]:
    """The tensors of one module, by the rest of their names; not PEFT's copy of the base's own."""
    start = module + "."
    mine = {k.removeprefix(start): x for k, x in self.tensors.items() if k.startswith(start)}
    return {k: x for k, x in mine.items() if not k.endswith("base_layer.weight")}


def settings(folder: Path) -> dict[str, Any] | None:
  """adapter_config.json of a PEFT adapter folder, or None where there is none."""
  path = Path(folder) / SETTINGS
  return read_json(path) if path.is_file() else None


def open_folder(folder: str | Path) -> Folder:
  """Raises InputError for what is no adapter, and for what would change the result and is not
  supported."""
  folder = Path(folder)
  hf = settings(folder)
  files = [(folder / WEIGHTS, safetensors.headers), (folder / PICKLED, torch_bin.headers)]
  found = [(path, headers) for path, headers in files if path.is_file()]
  if hf is None or not found:
    raise InputError(f"{folder} is not a PEFT adapter: it needs {SETTINGS} and {WEIGHTS}.")
  rules.check(hf, folder)
  path, headers = found[0]
  stored = headers([path])
  if strange := [f"{k} is {x.dtype}" for k, x in stored.items() if x.dtype not in DTYPES]:
    raise InputError(
      f"{path} has tensors of a type other than {', '.join(DTYPES)}: {', '.join(strange[:3])}. The "
      "numbers of an adapter have no other: save it again."
    )
  tensors = {k: x.read(tuple((0, n) for n in x.shape)) for k, x in stored.items()}
  plain = lambda key: re.sub(r"\.default(?=\.weight$)", "", key.removeprefix(PREFIX))
  dora = lambda key: re.sub(r"(?<=lora_magnitude_vector)\.weight$", "", plain(key))
  return Folder(folder, hf, {dora(k): x for k, x in tensors.items()})


def base_for(folder: Folder, checkpoint: Checkpoint) -> Checkpoint:
  """The checkpoint as the adapter wants it: with a head of its own where the adapter treats a tied
  head otherwise than the token table, and with rows for the tokens that it adds."""
  table, head = (_module(checkpoint, path) for path in ("embed/tokens", "head/kernel"))
  if checkpoint.config.tied:
    mine, heads = folder.under(table), folder.under(HEAD)
    same = mine.keys() == heads.keys() and all(np.array_equal(x, heads[k]) for k, x in mine.items())
    rows = all(key.endswith("trainable_tokens_delta") for key in mine)
    copy = mine.keys() == {"weight"} and not rules.saves(folder.settings, table)
    if not same and (heads or not (rows or copy)):
      checkpoint, head = vocabulary.untied(checkpoint), HEAD
  whole = re.compile(rf"({re.escape(table)}|{re.escape(head or table)})\.(\w+\.)*?weight")
  sizes = [len(x) for k, x in folder.tensors.items() if whole.fullmatch(k) and ".lora_" not in k]
  for name in filter(None, (table, head)):
    ids = rules.token_ids(folder.settings, name, name == table) or []
    # Tokens that were added follow the base's own, or those that its tokenizer has beyond its rows.
    if (last := max(ids, default=0)) >= 2 * checkpoint.config.vocabulary + len(ids):
      raise InputError(
        f"{folder.path / SETTINGS} has a row for the token {last} of {name}, and the base has "
        f"{checkpoint.config.vocabulary} tokens. Is it an adapter for "
        f"{folder.settings.get('base_model_name_or_path')!r}?"
      )
    sizes.append(last + 1 if ids else 0)
  return vocabulary.at_least(checkpoint, max(sizes, default=0))


def _module(checkpoint: Checkpoint, path: str) -> str:
  """The checkpoint's module of a leaf; "" where it has none."""
  names = (w.hf_name.removesuffix(".weight") for w in checkpoint.table if w.path == path)
  return next(names, "")


def read(
  folder: str | Path | Folder, checkpoint: Checkpoint, base: Callable[[str], Any], dtype=jnp.float32
):
  """The collections of a PEFT folder; numbers in `dtype`.

  checkpoint: as `base_for` gives it. base: a leaf of its params by name, for what the folder leaves
  out. Raises InputError for keys or shapes that do not fit.
  """
  if not isinstance(folder, Folder):
    folder = open_folder(folder)
  if base_for(folder, checkpoint) != checkpoint:
    raise ValueError("the checkpoint is not as the adapter wants it: see base_for")
  drop = HEAD + "." if checkpoint.config.tied else "\n"  # the table's own tensors once more
  left = {k: x for k, x in folder.tensors.items() if not k.startswith(drop)}
  V = checkpoint.config.vocabulary  # padding is nothing that a folder has
  config = checkpoint.config.with_(V=V, vocab_padding=0)
  real = lambda name: vocabulary.resized(name, base(name), V)
  reader = Reader(folder.path, folder.settings, left, config, checkpoint.table, real)
  named = {}
  for kind in KINDS:
    named |= kind.read(reader)
  if reader.left or not named:
    strange = f"has tensors that fit nothing in this base: {sorted(reader.left)[:3]}"
    what = strange if reader.left else "holds no tensors of an adapter"
    of = folder.settings.get("base_model_name_or_path")
    raise InputError(f"{folder.path} {what}. Is it an adapter for {of!r}?")
  for n, x in named.items():
    keep = n.startswith("lora_scale/") or x.dtype == np.int32
    leaf = jnp.asarray(x, x.dtype if keep else dtype)
    named[n] = vocabulary.resized(n, leaf, checkpoint.config.V)
  return tree.unflatten(named)


def write(
  folder: str | Path,
  variables,
  config: ModelConfig,
  table: list[Weight],
  *,
  base: str,
  revision: str = "",
  dropout: float = 0.0,
  rslora: bool = False,
) -> None:
  """Writes an adapter's collections as a PEFT adapter folder (float32 or bfloat16, as they are).
  Of several processes all must call this; process 0 writes.

  base, revision: the source that it names. rslora: settings say alpha / sqrt(rank), not alpha / rank; the
  scale is the same.
  """
  config, variables = vocabulary.trimmed(config, variables)
  named = tree.flatten(variables)
  mine = {n: x for n, x in named.items() if n.partition("/")[0] in COLLECTIONS}  # not the base
  adapter = {n: distributed.whole(x) for n, x in mine.items()}
  writer = Writer(adapter, config, table, lambda n: distributed.whole(named[n]), rslora)
  for kind in KINDS:
    kind.write(writer)
  if "peft_type" not in writer.settings:
    raise ValueError("PEFT has no form for an adapter with neither a low-rank pair nor rows")
  written = {
    "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "inference_mode": True,
  }  # fmt: skip
  written |= {"revision": revision} if revision else {}
  if writer.settings["peft_type"] == "LORA":
    written["lora_dropout"] = dropout
  written |= writer.settings
  if jax.process_index():
    return
  with storage.atomic_path(folder) as temporary:
    temporary.mkdir(parents=True)
    tensors = {PREFIX + k: x for k, x in writer.tensors.items()} | writer.plain
    tensors_io.save(tensors, temporary / WEIGHTS)
    (temporary / SETTINGS).write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
