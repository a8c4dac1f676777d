"""OLMo 2 (OLMo Team 2024; reference: transformers/models/olmo2/modeling_olmo2.py): norms after
attention and MLP instead of before, and of queries and keys over all heads together."""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import llama_config, llama_weights, qk_norms
from ftjax.models.fields import Fields

MODELS = "OLMo 2 1B, 7B, 13B and 32B"

NORMS = {
  "post_attention_layernorm": "attention_post_norm",
  "post_feedforward_layernorm": "mlp_post_norm",
}


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  bias = f.get("attention_bias", default=False)
  c = llama_config(
    f,
    norm="rms",
    norm_eps=f.get("rms_norm_eps", default=1e-5),
    pre_norm=False,
    post_norm=True,
    qk_norm="width",
    qkv_bias=bias,
    out_bias=bias,
    tied=f.get("tie_word_embeddings", default=False),
  )
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  return llama_weights(c, NORMS) + qk_norms(c)
