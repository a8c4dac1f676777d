"""Gemma 2 (Gemma Team 2024; reference: transformers/models/gemma2/modeling_gemma2.py): norms before
and after attention and MLP, soft caps, a sliding window in every other layer."""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import GEMMA_NORMS, gemma_flags, llama_config, llama_weights
from ftjax.models.fields import Fields, activation, windows

MODELS = "Gemma 2 2B, 9B and 27B"


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  L = f.need("num_hidden_layers")
  sliding = [l % 2 == 0 for l in range(L)]
  f.ignore("hidden_act", "sliding_window_size")  # the reference reads the two fields below
  c = llama_config(
    f,
    activation=activation(f.get("hidden_activation", default="gelu_pytorch_tanh")),
    post_norm=True,
    windows=windows(f, L, f.nullable("sliding_window", 4096), sliding),
    score_scale=f.get("query_pre_attn_scalar", default=256) ** -0.5,
    score_cap=f.nullable("attn_logit_softcapping", 50.0) or 0.0,
    logits_cap=f.nullable("final_logit_softcapping", 30.0) or 0.0,
    **gemma_flags(f),
  )
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  return llama_weights(c, GEMMA_NORMS)
