"""Llama 1, 2 and 3.x (Touvron et al. 2023; reference:
transformers/models/llama/modeling_llama.py)."""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import llama_config, llama_weights
from ftjax.models.fields import Fields

MODELS = (
  "Llama 1, 2, 3, 3.1, 3.2 (text), 3.3; Code Llama; TinyLlama; Vicuna; SmolLM 1 and 2; Yi; "
  "DeepSeek LLM; OpenLLaMA"
)


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  bias = f.get("attention_bias", default=False)
  c = llama_config(
    f,
    qkv_bias=bias,
    out_bias=bias,
    mlp_bias=f.get("mlp_bias", default=False),
    tied=f.get("tie_word_embeddings", default=False),
  )
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  return llama_weights(c)
