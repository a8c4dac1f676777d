"""Qwen3 (Yang et al. 2025; reference: transformers/models/qwen3/modeling_qwen3.py): Llama with norms
of queries and keys, and a sliding window in the upper layers if asked."""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import llama_config, llama_weights, qk_norms, upper_windows
from ftjax.models.fields import Fields

MODELS = "Qwen3, dense, from 0.6B to 32B"


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  bias = f.get("attention_bias", default=False)
  c = llama_config(
    f,
    H=f.get("head_dim", default=128),
    windows=upper_windows(f),
    qk_norm="head",
    qkv_bias=bias,
    out_bias=bias,
    tied=f.get("tie_word_embeddings", default=False),
  )
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  return llama_weights(c) + qk_norms(c)
