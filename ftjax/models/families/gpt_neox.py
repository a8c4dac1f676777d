"""GPT-NeoX and Pythia (Black et al. 2022; reference:
transformers/models/gpt_neox/modeling_gpt_neox.py)."""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import linear, llama_config, norm, plain_mlp
from ftjax.models.fields import Fields, activation, rope

MODELS = "GPT-NeoX 20B; Pythia; Dolly 2; RedPajama INCITE; StableLM alpha"

IGNORED = (
  r"gpt_neox\.layers\.\d+\.attention\.(bias|masked_bias)",
)  # causal-mask buffers of old checkpoints


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  N, bias = f.need("num_attention_heads"), f.get("attention_bias", default=True)
  H = f.need("hidden_size") // N
  share, theta = f.get("rotary_pct", default=0.25), f.get("rotary_emb_base", default=10000.0)
  parallel = f.get("use_parallel_residual", default=True)
  c = llama_config(
    f,
    K=N,
    H=H,
    norm="layer",
    norm_eps=f.get("layer_norm_eps", default=1e-5),
    activation=activation(f.get("hidden_act", default="gelu")),
    gated=False,
    residual="parallel" if parallel else "serial",
    parallel_norms=parallel,
    rope=rope(f, H, partial=share, theta=theta),
    grouped_qkv=True,
    qkv_bias=bias,
    out_bias=bias,
    mlp_bias=True,
    tied=f.get("tie_word_embeddings", default=False),
  )
  f.ignore("classifier_dropout", "hidden_dropout_prob", "attention_probs_dropout_prob")
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  layer, mine = "gpt_neox.layers.{l}.", "layers/"
  qkv, out = layer + "attention.query_key_value", layer + "attention.dense"
  table = [Weight("gpt_neox.embed_in.weight", "embed/tokens", "V D -> V D")]
  table += linear(qkv, mine + "attention/grouped_qkv", "(K Q H) D -> D K Q H", c.qkv_bias)
  table += linear(out, mine + "attention/out", "D (N H) -> N H D", c.out_bias)
  table += plain_mlp(c, layer + "mlp.dense_h_to_4h", layer + "mlp.dense_4h_to_h")
  table += norm(c, layer + "input_layernorm", mine + "attention_norm")
  table += norm(c, layer + "post_attention_layernorm", mine + "mlp_norm")
  table += norm(c, "gpt_neox.final_layer_norm", "final_norm")
  return table + ([] if c.tied else linear("embed_out", "head", "V D -> D V", bias=False))
