"""Granite 3 (Granite Team 2024; reference: transformers/models/granite/modeling_granite.py): Llama
with multipliers of token vectors, of what a layer adds, of scores and of logits."""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import llama_config, llama_weights
from ftjax.models.fields import Fields

MODELS = "Granite 3.0 to 3.3 2B and 8B"


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  bias = f.get("attention_bias", default=False)
  c = llama_config(
    f,
    embed_scale=f.get("embedding_multiplier", default=1.0),
    residual_scale=f.get("residual_multiplier", default=1.0),
    score_scale=f.get("attention_multiplier", default=1.0),
    logits_scale=1.0 / f.get("logits_scaling", default=1.0),
    qkv_bias=bias,
    out_bias=bias,
    mlp_bias=f.get("mlp_bias", default=False),
    tied=f.get("tie_word_embeddings", default=False),
  )
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  return llama_weights(c)
