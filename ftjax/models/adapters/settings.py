"""adapter_config.json: which fields change the result, and which modules its patterns mean.

The rules are those of peft/tuners/tuners_utils.py (check_target_module_exists) and
peft/utils/other.py (get_pattern_key, _set_trainable).
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import regex

from ftjax.config import InputError
from ftjax.models import values
from ftjax.models.values import FLAG, NULL, TEXT, by_name, either, many, number, shown, whole

SETTINGS = "adapter_config.json"
HEAD = "lm_head"  # what transformers calls the module of a tied head, whatever the family
Settings = Mapping[str, Any]

# Fields that say how an adapter was begun or trained, or that the tensors say themselves.
_NEUTRAL = frozenset(
  """auto_mapping base_model_name_or_path revision task_type inference_mode peft_version
  lora_dropout fan_in_fan_out corda_config eva_config lora_ga_config loftq_config megatron_config
  megatron_core qalora_group_size runtime_config init_weights init_ia3_weights prompt_tuning_init
  prompt_tuning_init_text tokenizer_name_or_path tokenizer_kwargs num_transformer_submodules
  encoder_hidden_size prefix_projection""".split()
)
# Fields that are read, by kind of adapter.
_VIRTUAL = "peft_type num_virtual_tokens token_dim num_attention_heads num_layers".split()
_READ = {
  "LORA": """peft_type r rank_pattern lora_alpha alpha_pattern use_rslora use_dora lora_bias bias
    target_modules target_parameters exclude_modules layers_to_transform layers_pattern modules_to_save
    trainable_token_indices init_lora_weights ensure_weight_tying""".split(),
  "TRAINABLE_TOKENS": "peft_type target_modules token_indices".split(),
  "IA3": "peft_type target_modules exclude_modules feedforward_modules modules_to_save".split(),
  "LN_TUNING": "peft_type target_modules exclude_modules".split(),
  "PROMPT_TUNING": _VIRTUAL,
  "PREFIX_TUNING": _VIRTUAL,
}
# What each may hold where it is not null.
_TEXTS = either(TEXT, many(TEXT))
_RANK, _ALPHA, _SIZE = whole(1, 1 << 16), number(-1e9, 1e9), whole(1, 1 << 24)
_IDS = many(whole(0, (1 << 31) - 1), 1 << 20)
_HOLDS = {
  "peft_type": TEXT, "bias": TEXT, "base_model_name_or_path": TEXT, "revision": TEXT,
  "r": _RANK, "rank_pattern": by_name(_RANK), "lora_alpha": _ALPHA, "alpha_pattern": by_name(_ALPHA),
  "use_rslora": FLAG, "use_dora": FLAG, "lora_bias": FLAG, "ensure_weight_tying": FLAG,
  "target_modules": _TEXTS, "exclude_modules": _TEXTS, "feedforward_modules": _TEXTS,
  "layers_pattern": _TEXTS, "target_parameters": many(TEXT), "modules_to_save": many(TEXT),
  "layers_to_transform": either(whole(0, 1024), many(whole(0, 1024))),
  "trainable_token_indices": either(_IDS, by_name(_IDS)), "token_indices": _IDS,
  "num_virtual_tokens": whole(1, 1 << 20), "token_dim": _SIZE, "num_attention_heads": _SIZE,
  "num_layers": _SIZE, "init_lora_weights": either(FLAG, TEXT),
}  # fmt: skip
_NEVER_NULL = ("peft_type", "r", "lora_alpha")
MATCHING = 0.1  # seconds that a pattern may take on one name: it takes a millionth of one
# Ways to begin that leave the base as it is (pissa, olora, corda, loftq, ... change it).
_BEGINNINGS = (True, False, None, "gaussian", "orthogonal", "eva")


def check(hf: Settings, folder: Path) -> None:
  """Raises InputError for whatever PEFT can do beyond what is read here and would change the
  result."""
  for field in sorted(_HOLDS.keys() & hf.keys()):
    kind = _HOLDS[field]
    values.check(
      folder / SETTINGS, field, hf[field], kind if field in _NEVER_NULL else either(kind, NULL)
    )
  kind = hf.get("peft_type")
  if kind not in _READ:
    raise InputError(
      f"{folder}/{SETTINGS} says peft_type={shown(kind)}; ftjax reads "
      f"{', '.join(list(_READ)[:-1])} and {list(_READ)[-1]}."
    )
  if hf.get("init_lora_weights") not in _BEGINNINGS:
    raise InputError(
      f"{folder}/{SETTINGS} says init_lora_weights={shown(hf['init_lora_weights'])}: such an adapter belongs "
      "to weights that its beginning changed. Save it with PEFT's "
      "path_initial_model_for_weight_conversion, which makes it one for the base as it was."
    )
  for field in hf.keys() - _NEUTRAL - set(_READ[kind]):
    if hf[field] not in (None, False, [], {}):
      raise InputError(
        f"{folder}/{SETTINGS} says {shown(field)[1:-1]}={shown(hf[field])}, which ftjax does not read. If it has no "
        "effect on this adapter, remove it there."
      )


def rank_and_alpha(hf: Settings, module: str) -> tuple[int, float]:
  """Of one module; the first pattern that matches counts."""
  pick = lambda patterns, usual: next(
    (v for p, v in (patterns or {}).items() if _is(p, module)), usual
  )
  return pick(hf.get("rank_pattern"), hf.get("r", 8)), pick(
    hf.get("alpha_pattern"), hf.get("lora_alpha", 8)
  )


def scale(hf: Settings, module: str) -> float:
  """alpha / rank, or alpha / sqrt(rank) where rank-stabilised (Kalajdzievski 2023)."""
  rank, alpha = rank_and_alpha(hf, module)
  return alpha / (rank**0.5 if hf.get("use_rslora") else rank)


def alpha(scale: float, rank: int, rslora: bool) -> int | float:
  """The inverse of `scale`, a whole number where it is one up to float32's rounding."""
  found = float(scale) * (rank**0.5 if rslora else rank)
  whole = round(found)
  return whole if abs(found - whole) < 1e-6 * found else found


def selects(hf: Settings, module: str) -> bool:
  """Whether PEFT puts a low-rank pair on this module."""
  excluded, targets = hf.get("exclude_modules"), hf.get("target_modules")
  if isinstance(excluded, str) and excluded:
    if match(excluded, module, whole=True):
      return False
  elif excluded and _ends(module, excluded):
    return False
  if any(match(rf"(^|.*\.){m}($|\..*)", module) for m in hf.get("modules_to_save") or ()):
    return False
  if targets == "all-linear" or (hf.get("ensure_weight_tying") and module == HEAD):
    return True  # PEFT says so otherwise: the tensors tell
  if isinstance(targets, str):
    return match(targets, module, whole=True) is not None
  if not _ends(module, targets or ()):
    return False
  layers = hf.get("layers_to_transform")
  if layers is None or layers == []:
    return True
  names = hf.get("layers_pattern")
  patterns = [names] if isinstance(names, str) and names else names
  begins = [rf"(?:^|.*?\.){p}\.(\d+)\." for p in patterns] if patterns else [r".*?\.[^.]*\.(\d+)\."]
  layer = next((m for m in (match(p, module) for p in begins) if m), None)
  return layer is not None and int(layer[1]) in ([layers] if isinstance(layers, int) else layers)


def adapts(hf: Settings, parameter: str) -> bool:
  """Whether PEFT puts a low-rank pair on this parameter (target_parameters)."""
  return _ends(parameter, hf.get("target_parameters") or ())


def saves(hf: Settings, module: str) -> bool:
  """Whether PEFT gives this module a full copy (modules_to_save)."""
  return any(module.endswith(name) for name in hf.get("modules_to_save") or ())


def token_ids(hf: Settings, module: str, is_input: bool) -> list[int] | None:
  """The ids that have rows of their own in this module (the token table, or the head)."""
  ids = hf.get("trainable_token_indices")
  if hf.get("peft_type") == "TRAINABLE_TOKENS":
    return hf.get("token_indices")
  if isinstance(ids, Mapping):
    return next((some for name, some in ids.items() if module.endswith(name)), None)
  return ids if is_input else None


def _is(pattern: str, module: str) -> bool:
  return match(rf"(.*\.)?({pattern})$", module) is not None


def match(pattern: str, module: str, whole: bool = False) -> regex.Match | None:
  """The match of a pattern at the beginning of a module's name (whole: with all of it), or None.

  The patterns are a stranger's, and some would search for years: raises InputError for one that takes
  long, or that is none.
  """
  try:
    compiled = _compiled(pattern)
    return (compiled.fullmatch if whole else compiled.match)(module, timeout=MATCHING)
  except TimeoutError as e:
    raise InputError(
      f"{SETTINGS} has the pattern {shown(pattern)}, which takes more than {MATCHING} s on {module}. Write "
      "it without repeats inside of repeats."
    ) from e
  except (regex.error, RecursionError, OverflowError) as e:
    raise InputError(f"{SETTINGS} has {shown(pattern)}, which is not a pattern: {e}.") from e


@functools.lru_cache(maxsize=8192)
def _compiled(pattern: str) -> regex.Pattern:
  return regex.compile(pattern)


def _ends(module: str, names) -> bool:
  return any(f".{module}".endswith(f".{name}") for name in names)
