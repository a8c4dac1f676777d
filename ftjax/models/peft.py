"""PEFT's adapter folders, read and written."""

import json
import re
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ftjax import storage, tree
from ftjax.config import InputError
from ftjax.models import peft_parameters
from ftjax.models import tensors as tensors_io
from ftjax.models.config import ModelConfig, Weight
from ftjax.models.peft_parameters import PREFIX, scale
from ftjax.models.targets import adaptable
from ftjax.models.tensors import read_json

WEIGHTS, SETTINGS = "adapter_model.safetensors", "adapter_config.json"


def settings(folder: Path) -> dict[str, Any] | None:
  """adapter_config.json of a PEFT adapter folder, or None where there is none."""
  path = Path(folder) / SETTINGS
  return read_json(path) if path.is_file() else None


def read(folder: str | Path, config: ModelConfig, table: list[Weight], dtype=jnp.float32):
  """{"lora", "lora_scale"} from a PEFT folder; a rank or alpha that differs by layer is padded and
  kept.

  Raises InputError for what would change the result and is not supported, and for keys or shapes
  that do not fit.
  """
  folder = Path(folder)
  hf = settings(folder)
  if hf is None or not (folder / WEIGHTS).is_file():
    raise InputError(f"{folder} is not a PEFT adapter: it needs {SETTINGS} and {WEIGHTS}.")
  _only_plain_lora(hf, folder)
  try:
    tensors = load_file(folder / WEIGHTS)
  except (SafetensorError, OSError) as e:
    raise InputError(f"{folder / WEIGHTS} is not a whole safetensors file: {e}.") from e
  left = {re.sub(r"\.default(?=\.weight$)", "", k): v for k, v in tensors.items()}
  every = adaptable(config, table)
  named = peft_parameters.read(every, left, hf, config, folder, dtype)
  for path, t in every.items():
    if t.weight.parameter:
      continue
    modules = t.modules(config)
    a, b = ([left.pop(f"{PREFIX}{m}.lora_{w}.weight", None) for m in modules] for w in "AB")
    have = [x is not None for x in a + b]
    if not any(have):
      continue
    if not all(have):
      raise InputError(f"{folder} adapts {t.module} in some layers only, which is not supported.")
    ranks = [len(x) for x in a]
    inputs, outputs = int(np.prod(t.shape_in)), int(np.prod(t.shape_out))
    wanted = [(r, inputs) for r in ranks] + [(outputs, r) for r in ranks]
    if [x.shape for x in a + b] != wanted:
      raise InputError(f"{folder} is for another base: {t.module} here is {outputs} x {inputs}.")
    a, b = _padded(a), _padded([x.T for x in b])
    a = a.swapaxes(1, 2)
    named[f"lora/{path}/a"] = jnp.asarray(a.reshape(*t.lead, *t.shape_in, max(ranks)), dtype)
    named[f"lora/{path}/b"] = jnp.asarray(b.reshape(*t.lead, max(ranks), *t.shape_out), dtype)
    scales = np.array([scale(hf, m, r) for m, r in zip(modules, ranks, strict=True)], np.float32)
    named[f"lora_scale/{path}/scale"] = jnp.asarray(scales.reshape(t.lead))
  if left or not named:
    strange = f"has tensors that fit nothing in this base: {sorted(left)[:3]}"
    what = strange if left else "holds no LoRA tensors"
    of = hf.get("base_model_name_or_path")
    raise InputError(f"{folder} {what}. Is it an adapter for {of!r}?")
  return tree.unflatten(named)


def _padded(layers: list[np.ndarray]) -> np.ndarray:
  """[L, r, ...] from one [r, ...] a layer, with zeros up to the largest r."""
  r = max(map(len, layers))
  return np.stack([np.pad(x, [(0, r - len(x)), (0, 0)]) for x in layers])


# Fields of adapter_config.json that say how an adapter was begun or trained, or that the tensors
# say themselves.
_NEUTRAL = frozenset(
  """auto_mapping base_model_name_or_path revision task_type inference_mode peft_version r
  rank_pattern lora_alpha alpha_pattern use_rslora lora_dropout fan_in_fan_out target_modules
  target_parameters exclude_modules layers_to_transform layers_pattern corda_config eva_config
  lora_ga_config loftq_config megatron_config megatron_core qalora_group_size
  ensure_weight_tying""".split()
)
# Other ways to begin (pissa, olora, corda, loftq, ...) change the base's own weights.
_BEGINNINGS = (True, False, None, "gaussian", "orthogonal", "eva")


def _only_plain_lora(hf, folder) -> None:
  """Fails on whatever else PEFT can do that would change the result."""
  wanted = {"peft_type": ("LORA",), "bias": ("none", None), "init_lora_weights": _BEGINNINGS}
  for field in hf.keys() - _NEUTRAL:
    allowed = wanted.get(field, (None, False, [], {}))
    if hf[field] not in allowed:
      raise InputError(
        f"{folder}/{SETTINGS} says {field}={hf[field]!r}; ftjax reads {field}={allowed[0]!r} only."
      )


def write(
  folder: str | Path,
  variables,
  config: ModelConfig,
  table: list[Weight],
  *,
  base: str,
  dropout: float = 0.0,
) -> None:
  """Writes variables["lora"] as a PEFT adapter folder (float32 or bfloat16, as they are)."""
  named = {n: np.asarray(x) for n, x in tree.flatten(variables).items() if n.startswith("lora")}
  every = adaptable(config, table)
  mine = {path: t for path, t in every.items() if f"lora/{path}/a" in named}
  others = [t.module for path, t in every.items() if path not in mine]
  parameters = {path: t for path, t in mine.items() if t.weight.parameter}
  tensors, alphas, ranks = peft_parameters.tensors(parameters, named, config), {}, {}
  for path, t in mine.items():
    a, b = named[f"lora/{path}/a"], named[f"lora/{path}/b"]
    r = a.shape[-1]
    scales = named[f"lora_scale/{path}/scale"].reshape(-1)
    if not t.lead:
      a, b = a[None], b[None]
    for l, module in enumerate(t.modules(config)):
      if not t.weight.parameter:
        key = PREFIX + module
        tensors[key + ".lora_A.weight"] = np.ascontiguousarray(a[l].reshape(-1, r).T)
        tensors[key + ".lora_B.weight"] = np.ascontiguousarray(b[l].reshape(r, -1).T)
      alpha = scales[l] * np.float32(r)
      ranks[module], alphas[module] = r, int(alpha) if alpha == int(alpha) else float(alpha)
  rank, alpha = _usual(ranks), _usual(alphas)
  adapter = {
    "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base,
    "inference_mode": True, "r": rank, "lora_alpha": alpha, "bias": "none",
    "lora_dropout": 0.0 if parameters else dropout,  # PEFT has none on parameters
    "fan_in_fan_out": any(t.input_first for t in mine.values()),
    "target_modules": sorted({
      _short_name(t.module, others) for t in mine.values() if not t.weight.parameter
    }),
    "target_parameters": sorted(t.weight.parameter.rpartition("}.")[2] for t in parameters.values()),
    "rank_pattern": {m: r for m, r in ranks.items() if r != rank},
    "alpha_pattern": {m: x for m, x in alphas.items() if x != alpha},
  }  # fmt: skip
  with storage.atomic_path(folder) as temporary:
    temporary.mkdir(parents=True)
    tensors_io.save(tensors, temporary / WEIGHTS)
    (temporary / SETTINGS).write_text(json.dumps(adapter, indent=2) + "\n", encoding="utf-8")


def _short_name(module: str, others: list[str]) -> str:
  """The shortest end of a module's name that is no end of the others': GPT-2 has attn.c_proj and
  mlp.c_proj."""
  parts = module.split(".")
  ends = (".".join(parts[-n:]) for n in range(1, len(parts) + 1))
  return next(end for end in ends if not any(f".{other}".endswith(f".{end}") for other in others))


def _usual(values: dict[str, Any]):
  """The most common value."""
  every = list(values.values())
  return max(set(every), key=every.count)
