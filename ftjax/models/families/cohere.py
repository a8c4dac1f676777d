"""Command R and Aya (Cohere 2024; reference: transformers/models/cohere/modeling_cohere.py): attention
and MLP side by side, LayerNorm without bias, interleaved rope, scaled logits."""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import llama_config, llama_weights, qk_norms
from ftjax.models.fields import Fields, rope

MODELS = "Command R and R+; Aya 23; Aya Expanse 32B"


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  H = f.get("head_dim", default=f.need("hidden_size") // f.need("num_attention_heads"))
  bias = f.get("attention_bias", default=False)
  f.ignore("model_max_length")  # published; the reference takes max_position_embeddings
  c = llama_config(
    f,
    norm="layer",
    norm_eps=f.get("layer_norm_eps", default=1e-5),
    norm_bias=False,
    qk_norm="heads" if f.get("use_qk_norm") else "none",
    residual="parallel",
    rope=rope(f, H, theta=500_000.0, interleaved=True),
    qkv_bias=bias,
    out_bias=bias,
    logits_scale=f.get("logit_scale", default=0.0625),
    tied=f.get("tie_word_embeddings", default=True),
  )
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  return llama_weights(c, {"input_layernorm": "attention_norm"}) + qk_norms(c)
