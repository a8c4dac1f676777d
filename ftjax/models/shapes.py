"""Well-known models as facts: what their config.json says of shape, so that a run can be planned
before anything is downloaded.

Sources: the config.json of each model's repository on the Hugging Face hub. Only what decides
shapes and computation is here; there are no weights behind these names.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ftjax.config import InputError
from ftjax.models import hf
from ftjax.models.formats.stored import Box, Empty
from ftjax.models.quant import written
from ftjax.models.tensors import hf_shape, names_of

_SIZES = (
  "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
  "num_key_value_heads", "head_dim", "vocab_size", "max_position_embeddings",
)  # fmt: skip
_LLAMA = {"model_type": "llama", "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 500000.0}
_MISTRAL = _LLAMA | {"model_type": "mistral", "rope_theta": 1e6, "sliding_window": None}
_MIXTRAL = _MISTRAL | {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}
_QWEN = {"model_type": "qwen2", "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 1e6}
_QWEN3 = _QWEN | {"model_type": "qwen3", "attention_bias": False}
_QWEN3_MOE = _QWEN3 | {
  "model_type": "qwen3_moe", "num_experts": 128, "num_experts_per_tok": 8, "norm_topk_prob": True,
  "moe_intermediate_size": 768, "decoder_sparse_step": 1, "mlp_only_layers": [],
}  # fmt: skip
_GEMMA = {
  "model_type": "gemma", "hidden_act": "gelu_pytorch_tanh", "rms_norm_eps": 1e-6,
  "rope_theta": 10000.0,
}  # fmt: skip
_GEMMA2 = _GEMMA | {
  "model_type": "gemma2", "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 256,
  "sliding_window": 4096, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0,
}  # fmt: skip
_TIED = {"tie_word_embeddings": True}
_OWN = {"tie_word_embeddings": False}


def _slowed(factor: float) -> dict[str, Any]:
  """Llama 3's scaling of rope beyond 8,192 tokens."""
  scaling = {"rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0}
  return {
    "rope_scaling": scaling | {"high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
  }


#   name              what its family has in common           D      F      L    N    K    H    V       length
_ROWS = {
  "llama-3.2-1b":    (_LLAMA | _TIED | _slowed(32.0),        (2048,  8192,  16,  32,  8,   64,  128256, 131072)),
  "llama-3.2-3b":    (_LLAMA | _TIED | _slowed(32.0),        (3072,  8192,  28,  24,  8,   128, 128256, 131072)),
  "llama-3.1-8b":    (_LLAMA | _OWN | _slowed(8.0),          (4096,  14336, 32,  32,  8,   128, 128256, 131072)),
  "llama-3.1-70b":   (_LLAMA | _OWN | _slowed(8.0),          (8192,  28672, 80,  64,  8,   128, 128256, 131072)),
  "llama-3.1-405b":  (_LLAMA | _OWN | _slowed(8.0),          (16384, 53248, 126, 128, 8,   128, 128256, 131072)),
  "mistral-7b":      (_MISTRAL | _OWN,                       (4096,  14336, 32,  32,  8,   128, 32768,  32768)),
  "mixtral-8x7b":    (_MIXTRAL | _OWN,                       (4096,  14336, 32,  32,  8,   128, 32000,  32768)),
  "mixtral-8x22b":   (_MIXTRAL | _OWN,                       (6144,  16384, 56,  48,  8,   128, 32768,  65536)),
  "qwen2.5-0.5b":    (_QWEN | _TIED,                         (896,   4864,  24,  14,  2,   64,  151936, 32768)),
  "qwen2.5-1.5b":    (_QWEN | _TIED,                         (1536,  8960,  28,  12,  2,   128, 151936, 131072)),
  "qwen2.5-7b":      (_QWEN | _OWN,                          (3584,  18944, 28,  28,  4,   128, 152064, 131072)),
  "qwen2.5-14b":     (_QWEN | _OWN,                          (5120,  13824, 48,  40,  8,   128, 152064, 131072)),
  "qwen2.5-32b":     (_QWEN | _OWN,                          (5120,  27648, 64,  40,  8,   128, 152064, 131072)),
  "qwen2.5-72b":     (_QWEN | _OWN,                          (8192,  29568, 80,  64,  8,   128, 152064, 131072)),
  "qwen3-0.6b":      (_QWEN3 | _TIED,                        (1024,  3072,  28,  16,  8,   128, 151936, 40960)),
  "qwen3-8b":        (_QWEN3 | _OWN,                         (4096,  12288, 36,  32,  8,   128, 151936, 40960)),
  "qwen3-32b":       (_QWEN3 | _OWN,                         (5120,  25600, 64,  64,  8,   128, 151936, 40960)),
  "qwen3-30b-a3b":   (_QWEN3_MOE | _OWN,                     (2048,  6144,  48,  32,  4,   128, 151936, 40960)),
  "gemma-2b":        (_GEMMA | _TIED,                        (2048,  16384, 18,  8,   1,   256, 256000, 8192)),
  "gemma-7b":        (_GEMMA | _TIED,                        (3072,  24576, 28,  16,  16,  256, 256000, 8192)),
  "gemma-2-2b":      (_GEMMA2 | _TIED,                       (2304,  9216,  26,  8,   4,   256, 256000, 8192)),
  "gemma-2-9b":      (_GEMMA2 | _TIED,                       (3584,  14336, 42,  16,  8,   256, 256000, 8192)),
}  # fmt: skip

SHAPES: dict[str, dict[str, Any]] = {
  name: common | dict(zip(_SIZES, sizes, strict=True)) for name, (common, sizes) in _ROWS.items()
}


@dataclass(frozen=True)
class Absent:
  """A tensor that config.json says there is, of a model without weights."""

  name: str
  shape: tuple[int, ...]
  file: Path
  dtype: str = "BF16"

  @property
  def order(self) -> tuple[int, ...]:
    return tuple(range(len(self.shape)))

  def read(self, box: Box, empty: Empty = np.empty) -> np.ndarray:
    """Raises InputError: there is nothing to read."""
    raise InputError(
      f"{self.file} has no weights, and what an adapter of this kind trains depends on the base's "
      f"{self.name}. To plan it, give a folder with weights in it."
    )


def no_weights(source: str) -> InputError:
  """What to say to someone who wants to train a shape."""
  return InputError(
    f"model.source={source!r} is the shape of a model, for scripts/plan.py: no weights come with "
    "the name. To train, give a folder in Hugging Face format or a hub id (owner/name)."
  )


def shape_only(source: str) -> hf.Checkpoint:
  """A checkpoint of which only the shape is known: one of SHAPES, or a folder with a config.json.

  Raises InputError for a name that is neither.
  """
  folder = Path(source).expanduser()
  if source in SHAPES and not folder.is_dir():
    folder, hf_config = Path(source), SHAPES[source]
  elif folder.is_dir():
    hf_config = hf.read_config(folder)
  else:
    raise InputError(
      f"model.source={source!r} is no folder, and no shape that is known by name: {names(SHAPES)}."
    )
  hf_config, quantized = written.opened(hf_config, folder)
  family = hf.load_family(hf_config)
  config = family.config(hf_config)
  found = hf.Checkpoint(
    folder, hf_config, config, family.weights(config), {}, "none", quantized=quantized
  )
  absent = {
    name: Absent(name, hf_shape(weight, config), folder)
    for weight in found.lines
    for name in names_of(weight, config)
  }
  return replace(found, stored=absent)


def names(some: Sequence[str]) -> str:
  """For a message."""
  return ", ".join(sorted(some))
