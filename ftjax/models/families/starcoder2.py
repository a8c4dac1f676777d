"""StarCoder2 (Lozhkov et al. 2024; reference:
transformers/models/starcoder2/modeling_starcoder2.py)."""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import every_window, llama_config, llama_weights, plain_mlp
from ftjax.models.fields import Fields, activation

MODELS = "StarCoder2 3B, 7B and 15B"


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  bias = f.get("use_bias", default=True)
  c = llama_config(
    f,
    K=f.get("num_key_value_heads", default=2),
    norm="layer",
    norm_eps=f.get("norm_epsilon", default=1e-5),
    activation=activation(f.get("hidden_act", default="gelu_pytorch_tanh")),
    gated=False,
    windows=every_window(f, f.get("sliding_window")),
    qkv_bias=bias,
    out_bias=bias,
    mlp_bias=bias,
    tied=f.get("tie_word_embeddings", default=True),
  )
  f.only("mlp_type", "default")
  f.only("norm_type", "layer_norm")
  f.only("scale_attn_weights", True)
  f.ignore("residual_dropout", "activation_function")  # the reference reads hidden_act
  # The same mathematics at another precision: ours is float32 anyway.
  f.ignore("attention_softmax_in_fp32", "scale_attention_softmax_in_fp32")
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  mlp = "model.layers.{l}.mlp."
  return llama_weights(c) + plain_mlp(c, mlp + "c_fc", mlp + "c_proj")
