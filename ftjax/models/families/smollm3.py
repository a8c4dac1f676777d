"""SmolLM3 (Bakouch et al. 2025; reference: transformers/models/smollm3/modeling_smollm3.py): Llama
without rope in every fourth layer."""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import llama_config, llama_weights
from ftjax.models.fields import Fields, rope, windows

MODELS = "SmolLM3 3B"


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  L = f.need("num_hidden_layers")
  H = f.get("head_dim", default=f.need("hidden_size") // f.need("num_attention_heads"))
  bias = f.get("attention_bias", default=False)
  every = f.get("no_rope_layer_interval", default=4)
  turned = f.get("no_rope_layers", default=[int((l + 1) % every != 0) for l in range(L)])
  window = f.get("sliding_window") if f.get("use_sliding_window") else None
  f.ignore("max_window_layers")  # published, and not read by the reference
  c = llama_config(
    f,
    rope=rope(f, H, theta=2_000_000.0),
    layer_ropes=tuple("main" if t else "none" for t in turned[:L]),
    windows=windows(f, L, window, [not t for t in turned[:L]]),
    qkv_bias=bias,
    out_bias=bias,
    mlp_bias=f.get("mlp_bias", default=False),
    tied=f.get("tie_word_embeddings", default=True),
  )
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  return llama_weights(c)
