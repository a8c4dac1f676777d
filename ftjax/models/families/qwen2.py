"""Qwen2 and Qwen2.5 (Yang et al. 2024; reference: transformers/models/qwen2/modeling_qwen2.py):
Llama with biases on queries, keys and values, and a sliding window in the upper layers if asked."""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import llama_config, llama_weights, upper_windows
from ftjax.models.fields import Fields

MODELS = (
  "Qwen2 and Qwen2.5 from 0.5B to 72B, Coder and Math; QwQ 32B; DeepSeek R1 distilled into Qwen"
)


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  c = llama_config(
    f, windows=upper_windows(f), qkv_bias=True, tied=f.get("tie_word_embeddings", default=False)
  )
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  return llama_weights(c)
