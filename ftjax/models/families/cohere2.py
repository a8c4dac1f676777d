"""Command R7B and Command A (Cohere 2024; reference:
transformers/models/cohere2/modeling_cohere2.py): Cohere with a sliding window and rope in three
layers of four, and neither in the fourth."""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import llama_config, llama_weights
from ftjax.models.fields import Fields, rope, windows

MODELS = "Command R7B; Command A"


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  L, bias = f.need("num_hidden_layers"), f.get("attention_bias", default=False)
  every = f.get("sliding_window_pattern", "_sliding_window_pattern", default=4)
  sliding = windows(
    f, L, f.get("sliding_window", default=4096), [(l + 1) % every for l in range(L)]
  )
  c = llama_config(
    f,
    norm="layer",
    norm_eps=f.get("layer_norm_eps", default=1e-5),
    norm_bias=False,
    residual="parallel",
    windows=sliding,
    rope=rope(f, f.need("hidden_size") // f.need("num_attention_heads"), interleaved=True),
    layer_ropes=tuple("main" if w else "none" for w in sliding or (0,) * L),
    qkv_bias=bias,
    out_bias=bias,
    logits_scale=f.get("logit_scale", default=0.0625),
    tied=f.get("tie_word_embeddings", default=True),
  )
  # What published configs say beside the fields that the reference reads.
  for name, value in dict(
    position_embedding_type="rope_gptj", rotary_pct=1.0, use_gated_activation=True,
    use_parallel_block=True, use_qk_norm=False, order_of_interleaved_layers="local_attn_first",
  ).items():  # fmt: skip
    f.only(name, value)
  f.ignore("use_embedding_sharing", "use_parallel_embedding", "layer_switch")
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  return llama_weights(c, {"input_layernorm": "attention_norm"})
