"""Phi-1, Phi-1.5 and Phi-2 (Li et al. 2023; reference: transformers/models/phi/modeling_phi.py)."""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import heads, linear, llama_config, norm, plain_mlp
from ftjax.models.fields import Fields, activation, rope

MODELS = "Phi-1, Phi-1.5 and Phi-2"


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  H = f.need("hidden_size") // f.need("num_attention_heads")
  c = llama_config(
    f,
    H=f.get("head_dim", default=H),
    norm="layer",
    norm_eps=f.get("layer_norm_eps", default=1e-5),
    activation=activation(f.get("hidden_act", default="gelu_new")),
    gated=False,
    residual="parallel",
    rope=rope(f, H, partial=0.5),
    qkv_bias=True,
    out_bias=True,
    mlp_bias=True,
    head_bias=True,
  )
  f.only("qk_layernorm", False)
  f.only("tie_word_embeddings", False)
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  layer, mine = "model.layers.{l}.", "layers/"
  table = [Weight("model.embed_tokens.weight", "embed/tokens", "V D -> V D")]
  table += heads(c, layer + "self_attn.")
  table += linear(layer + "self_attn.dense", mine + "attention/out", "D (N H) -> N H D", c.out_bias)
  table += plain_mlp(c, layer + "mlp.fc1", layer + "mlp.fc2")
  table += norm(c, layer + "input_layernorm", mine + "attention_norm")
  table += norm(c, "model.final_layernorm", "final_norm")
  return table + linear("lm_head", "head", "V D -> D V", c.head_bias)
