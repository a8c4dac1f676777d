"""Phi-3, Phi-3.5 and Phi-4 (Abdin et al. 2024; reference:
transformers/models/phi3/modeling_phi3.py): Llama with one tensor for queries, keys and values, one
for gate and up, and LongRoPE in the long variants."""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import every_window, llama_config, llama_weights
from ftjax.models.fields import Fields, rope

MODELS = "Phi-3 mini, medium; Phi-3.5 mini; Phi-4 and Phi-4 mini"


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  H = f.get("head_dim", default=f.need("hidden_size") // f.need("num_attention_heads"))
  c = llama_config(
    f,
    norm="rms",
    norm_eps=f.get("rms_norm_eps", default=1e-5),
    rope=rope(f, H, partial=1.0, kinds={"su": "longrope", "yarn": "longrope"}),
    windows=every_window(f, f.get("sliding_window")),
    fused_qkv=True,
    fused_gate_up=True,
    tied=f.get("tie_word_embeddings", default=False),
  )
  f.only("full_attn_mod", 1)  # published with Phi-4 mini, and not read by the reference
  f.only("interpolate_factor", 1)
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  return llama_weights(c)
