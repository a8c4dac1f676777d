"""StableLM 2 and StableLM 3B (Bellagente et al. 2024; reference:
transformers/models/stablelm/modeling_stablelm.py): LayerNorm, rope over a part of each head, in the
large one norms of each query and key head."""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import LLAMA_NORMS, llama_config, llama_weights, qk_norms
from ftjax.models.fields import Fields, rope

MODELS = "StableLM 3B, 2 1.6B and 2 12B; Stable Code 3B"


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  c = llama_config(
    f,
    norm="layer",
    norm_eps=f.get("layer_norm_eps", default=1e-5),
    qk_norm="heads" if f.get("qk_layernorm") else "none",
    residual="parallel" if f.get("use_parallel_residual") else "serial",
    rope=rope(f, f.need("hidden_size") // f.need("num_attention_heads"), partial=0.25),
    qkv_bias=f.get("use_qkv_bias", default=False),
    tied=f.get("tie_word_embeddings", default=False),
  )
  f.ignore("num_heads")  # published, and not read by the reference
  f.only("rotary_scaling_factor", 1.0)
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  norms = {"input_layernorm": "attention_norm"} if c.residual == "parallel" else LLAMA_NORMS
  heads = ("q_layernorm.norms.{n}.weight", "k_layernorm.norms.{k}.weight")
  return llama_weights(c, norms) + qk_norms(c, *heads)
