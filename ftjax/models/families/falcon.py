"""Falcon (Almazrouei et al. 2023; reference: transformers/models/falcon/modeling_falcon.py).

Three architectures: one key head and one norm for attention and MLP (7B); groups of query heads and
two norms, or one (new_decoder_architecture: 40B, 180B, 11B); ALiBi and a block in series (RW).
"""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import linear, llama_config, norm, plain_mlp
from ftjax.models.fields import Fields, activation, rope

MODELS = "Falcon 7B, 40B, 180B and 2 11B; Falcon RW 1B and 7B"


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  D, N = f.need("n_embed", "hidden_size"), f.need("num_attention_heads")
  bias, alibi = f.get("bias", default=False), f.get("alibi", default=False)
  new = f.get("new_decoder_architecture", default=False)
  own, one = f.get("num_kv_heads", default=N), f.get("multi_query", default=True)
  parallel = f.get("parallel_attn", default=True) or new
  norms = f.get("num_ln_in_parallel_attn", default=2 if new else 1)
  turned = rope(f, D // N)
  c = llama_config(
    f,
    D=D,
    K=own if new else 1 if one else N,
    H=D // N,
    max_length=f.get("max_position_embeddings", default=2048),
    F=f.get("ffn_hidden_size", default=4 * D),
    norm="layer",
    norm_eps=f.get("layer_norm_epsilon", default=1e-5),
    activation=activation(f.get("activation", default="gelu")),
    gated=False,
    residual="parallel" if parallel else "serial",
    parallel_norms=new and norms == 2,
    rope=None if alibi else turned,
    alibi=alibi,
    grouped_qkv=True,
    qkv_bias=bias,
    out_bias=bias,
    mlp_bias=bias,
    tied=f.get("tie_word_embeddings", default=True),
  )
  f.only("num_ln_in_parallel_attn", 2 if new and norms != 1 else 1, default=norms)
  f.only("apply_residual_connection_post_layernorm", False)
  f.ignore("ff_factor")  # ffn_hidden_size once more
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  layer, mine = "transformer.h.{l}.", "layers/"
  qkv, out = layer + "self_attention.query_key_value", layer + "self_attention.dense"
  table = [Weight("transformer.word_embeddings.weight", "embed/tokens", "V D -> V D")]
  table += linear(qkv, mine + "attention/grouped_qkv", "(K Q H) D -> D K Q H", c.qkv_bias)
  table += linear(out, mine + "attention/out", "D (N H) -> N H D", c.out_bias)
  table += plain_mlp(c, layer + "mlp.dense_h_to_4h", layer + "mlp.dense_4h_to_h")
  first, second = "input_layernorm", "post_attention_layernorm"
  if c.parallel_norms:
    first, second = "ln_attn", "ln_mlp"
  table += norm(c, layer + first, mine + "attention_norm")
  if c.residual == "serial" or c.parallel_norms:
    table += norm(c, layer + second, mine + "mlp_norm")
  table += norm(c, "transformer.ln_f", "final_norm")
  return table + ([] if c.tied else linear("lm_head", "head", "V D -> D V", bias=False))
