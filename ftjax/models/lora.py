"""LoRA (Hu et al. 2021) in collections of its own, and PEFT's adapter folders, read and written.

{"lora": {layers/.../a [L, in, r], .../b [L, r, out]}, "lora_scale": {layers/.../scale [L]}}; with b = 0, as at the
start, the adapter is the identity. `in` and `out` stand for the kernel's own dims, such as [N, H].
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file, save_file

from ftjax import storage, tree
from ftjax.config import InputError, positive
from ftjax.models.config import ModelConfig, Weight

WEIGHTS, SETTINGS = "adapter_model.safetensors", "adapter_config.json"
PREFIX = "base_model.model."


@dataclass(frozen=True)
class Target:
  """One kernel that can take an adapter."""

  weight: Weight
  shape_in: tuple[int, ...]
  shape_out: tuple[int, ...]

  @property
  def path(self) -> str:
    """layers/attention/query and the like."""
    return self.weight.path.removesuffix("/kernel")

  @property
  def module(self) -> str:
    """The checkpoint's module, with {l} for the layer."""
    return self.weight.hf_name.removesuffix(".weight")


def linear_layers(config: ModelConfig, table: list[Weight]) -> dict[str, Target]:
  """{our path: target} of every linear layer in the blocks: what PEFT calls all-linear."""
  found = {}
  for weight in table:
    if weight.stacked and weight.path.endswith("/kernel"):
      theirs, ours = weight.dims.split("->")
      groups = [re.findall(r"\w", many or one) for many, one in re.findall(r"\(([^)]*)\)|(\w)", theirs)]
      ours = ours.split()
      inputs = len(next(group for group in groups if ours[0] in group))  # kernels here have their input first
      shape = [config.sizes[d] for d in ours]
      target = Target(weight, tuple(shape[:inputs]), tuple(shape[inputs:]))
      found[target.path] = target
  return found


def choose(config: ModelConfig, table: list[Weight], targets: str) -> dict[str, Target]:
  """The linear layers that `targets` names: "all-linear", or names and patterns separated by commas.

  A name is the end of the checkpoint's module name ("q_proj") or of ours ("attention/query"); a pattern is a regex
  for the whole of either. Every item must match something.
  """
  every = linear_layers(config, table)
  if targets == "all-linear":
    return every
  chosen = {}
  for item in filter(None, (t.strip() for t in targets.split(","))):
    hits = {path: t for path, t in every.items() if _names(item, path) or _names(item, t.module)}
    if not hits:
      known = ", ".join(sorted({t.module.rsplit(".", 1)[-1] for t in every.values()}))
      raise InputError(f"adapter.targets: {item!r} matches no linear layer. Use 'all-linear' or some of: {known}.")
    chosen |= hits
  if not chosen:
    raise InputError("adapter.targets is empty: nothing would be trained. Use 'all-linear' or names of layers.")
  return chosen


def _names(item: str, name: str) -> bool:
  if re.search(rf"(^|[./]){re.escape(item)}$", name):
    return True
  try:
    return re.fullmatch(item, name.replace("{l}", "0")) is not None
  except re.error as e:
    raise InputError(f"adapter.targets: {item!r} is not a pattern: {e}.") from e


def init(
  key: jax.Array, config: ModelConfig, targets: dict[str, Target], *, rank: int, alpha: float, dtype=jnp.float32
):
  """A new adapter: `a` uniform in +-1/sqrt(inputs) as in PEFT, `b` zero, scale alpha / rank."""
  positive(rank, "adapter.rank")
  named = {}
  for path, key in zip(targets, jax.random.split(key, len(targets)), strict=True):
    t = targets[path]
    inputs, outputs = int(np.prod(t.shape_in)), int(np.prod(t.shape_out))
    if rank > min(inputs, outputs):
      raise InputError(f"adapter.rank={rank} is above the size of {t.module}, which is {inputs} x {outputs}.")
    a = jax.random.uniform(key, (config.L, *t.shape_in, rank), minval=-1, maxval=1) / inputs**0.5
    named[f"lora/{path}/a"] = a.astype(dtype)
    named[f"lora/{path}/b"] = jnp.zeros((config.L, rank, *t.shape_out), dtype)
    named[f"lora_scale/{path}/scale"] = jnp.full((config.L,), alpha / rank, jnp.float32)
  return tree.unflatten(named)


def merge(variables) -> dict[str, Any]:
  """{"params": ...} with scale * a b added to each adapted kernel, summed in float32 and kept in its dtype."""
  named = tree.flatten(variables)
  merged = {n: x for n, x in named.items() if n.startswith("params/")}
  for name in [n for n in named if n.startswith("lora/") and n.endswith("/a")]:
    path = name.removeprefix("lora/").removesuffix("/a")
    a, b = named[name].astype(jnp.float32), named[f"lora/{path}/b"].astype(jnp.float32)
    kernel = merged[f"params/{path}/kernel"]
    L, r = b.shape[:2]
    delta = jnp.einsum("LIr,LrO->LIO", a.reshape(L, -1, r), b.reshape(L, r, -1))
    scale = named[f"lora_scale/{path}/scale"].reshape((L,) + (1,) * (kernel.ndim - 1))
    total = kernel.astype(jnp.float32) + scale * delta.reshape(kernel.shape)
    merged[f"params/{path}/kernel"] = total.astype(kernel.dtype)
  return tree.unflatten(merged)


def settings(folder: Path) -> dict[str, Any] | None:
  """adapter_config.json of a PEFT adapter folder, or None where there is none."""
  path = Path(folder) / SETTINGS
  if not path.is_file():
    return None
  try:
    return json.loads(path.read_text(encoding="utf-8"))
  except json.JSONDecodeError as e:
    raise InputError(f"{path} is not valid JSON: line {e.lineno}: {e.msg}.") from e


def read(folder: str | Path, config: ModelConfig, table: list[Weight], dtype=jnp.float32):
  """{"lora", "lora_scale"} from a PEFT folder; a rank or alpha that differs by layer is padded and kept.

  Raises InputError for what would change the result and is not supported, and for keys or shapes that do not fit.
  """
  folder = Path(folder)
  hf = settings(folder)
  if hf is None or not (folder / WEIGHTS).is_file():
    raise InputError(f"{folder} is not a PEFT adapter: it needs {SETTINGS} and {WEIGHTS}.")
  _only_plain_lora(hf, folder)
  left = {re.sub(r"\.default(?=\.weight$)", "", k): v for k, v in load_file(folder / WEIGHTS).items()}
  named = {}
  for path, t in linear_layers(config, table).items():
    modules = [t.module.format(l=l) for l in range(config.L)]
    keys = [f"{PREFIX}{m}.lora_%s.weight" for m in modules]
    have = [k % "A" in left for k in keys]
    if not any(have):
      continue
    if not all(have):
      raise InputError(f"{folder} adapts {t.module} in some layers only, which is not supported.")
    a, b = ([left.pop(k % which) for k in keys] for which in "AB")
    sizes = int(np.prod(t.shape_in)), int(np.prod(t.shape_out))
    if any(x.shape[1] != sizes[0] for x in a) or any(x.shape[0] != sizes[1] for x in b):
      raise InputError(f"{folder} is for another base: {t.module} here is {sizes[1]} x {sizes[0]}.")
    ranks = [x.shape[0] for x in a]
    pad = lambda x, r: np.pad(x, [(0, max(ranks) - r), (0, 0)])
    a = np.stack([pad(x, r).T for x, r in zip(a, ranks, strict=True)])
    b = np.stack([pad(x.T, r) for x, r in zip(b, ranks, strict=True)])
    named[f"lora/{path}/a"] = jnp.asarray(a.reshape(config.L, *t.shape_in, -1), dtype)
    named[f"lora/{path}/b"] = jnp.asarray(b.reshape(config.L, -1, *t.shape_out), dtype)
    scales = [_scale(hf, m, r) for m, r in zip(modules, ranks, strict=True)]
    named[f"lora_scale/{path}/scale"] = jnp.asarray(scales, jnp.float32)
  if left or not named:
    what = f"has tensors that fit nothing in this base: {sorted(left)[:3]}" if left else "holds no LoRA tensors"
    raise InputError(f"{folder} {what}. Is it an adapter for {hf.get('base_model_name_or_path')!r}?")
  return tree.unflatten(named)


def _only_plain_lora(hf, folder) -> None:
  wanted = {
    "peft_type": ("LORA",), "bias": ("none", None), "use_dora": (False, None), "modules_to_save": (None, []),
    "layer_replication": (None,), "trainable_token_indices": (None,), "alora_invocation_tokens": (None,),
  }  # fmt: skip
  for field, allowed in wanted.items():
    if hf.get(field, allowed[0]) not in allowed:
      raise InputError(f"{folder}/{SETTINGS} says {field}={hf[field]!r}; ftjax reads {field}={allowed[0]!r} only.")


def _scale(hf, module: str, rank: int) -> float:
  """alpha / rank, or alpha / sqrt(rank) for rank-stabilised LoRA, with PEFT's per-module patterns."""
  patterns = hf.get("alpha_pattern") or {}
  alpha = next((v for p, v in patterns.items() if re.fullmatch(rf"(.*\.)?({p})", module)), hf["lora_alpha"])
  return alpha / (rank**0.5 if hf.get("use_rslora") else rank)


def write(
  folder: str | Path, variables, config: ModelConfig, table: list[Weight], *, base: str, dropout: float = 0.0
) -> None:
  """Writes variables["lora"] as a PEFT adapter folder (float32 or bfloat16, as they are)."""
  named = {n: np.asarray(x) for n, x in tree.flatten(variables).items() if n.startswith("lora")}
  tensors, alphas, ranks, modules, conv1d = {}, {}, {}, [], False
  for path, t in linear_layers(config, table).items():
    if f"lora/{path}/a" not in named:
      continue
    a, b = named[f"lora/{path}/a"], named[f"lora/{path}/b"]
    r = b.shape[1]
    for l in range(config.L):
      key = PREFIX + t.module.format(l=l)
      tensors[key + ".lora_A.weight"] = np.ascontiguousarray(a[l].reshape(-1, r).T)
      tensors[key + ".lora_B.weight"] = np.ascontiguousarray(b[l].reshape(r, -1).T)
      module = t.module.format(l=l)
      ranks[module], alphas[module] = r, float(named[f"lora_scale/{path}/scale"][l]) * r
    modules.append(t.module.rsplit(".", 1)[-1])
    conv1d |= t.weight.dims.split()[0] == "D" and len(t.shape_in) == 1 and path.endswith("qkv")
  rank, alpha = _usual(ranks), _usual(alphas)
  adapter = {
    "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "inference_mode": True,
    "r": rank, "lora_alpha": alpha, "lora_dropout": dropout, "bias": "none", "fan_in_fan_out": bool(conv1d),
    "target_modules": sorted(set(modules)),
    "rank_pattern": {m: r for m, r in ranks.items() if r != rank},
    "alpha_pattern": {m: x for m, x in alphas.items() if x != alpha},
  }  # fmt: skip
  with storage.atomic_path(folder) as temporary:
    temporary.mkdir(parents=True)
    save_file(tensors, temporary / WEIGHTS, metadata={"format": "pt"})
    (temporary / SETTINGS).write_text(json.dumps(adapter, indent=2) + "\n", encoding="utf-8")


def _usual(values: dict[str, Any]):
  """The most common value, as a whole number where it is one."""
  every = list(values.values())
  value = max(set(every), key=every.count)
  return int(value) if float(value).is_integer() else value
