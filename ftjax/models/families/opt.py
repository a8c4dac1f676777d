"""OPT, the open replication of GPT-3 (Zhang et al. 2022; reference:
transformers/models/opt/modeling_opt.py).

opt-350m differs from the others: norms after the addition and none at the end, and token vectors
narrower than the model.
"""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import heads, linear, llama_config, norm, plain_mlp
from ftjax.models.fields import Fields, activation

MODELS = "OPT from 125M to 66B, the open replication of GPT-3; OPT-IML"

PREFIX = "model."  # some published checkpoints leave it out


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  D, N = f.need("hidden_size"), f.need("num_attention_heads")
  before, bias = f.get("do_layer_norm_before", default=True), f.get("enable_bias", default=True)
  width = f.get("word_embed_proj_dim", default=D)
  c = llama_config(
    f,
    K=N,
    H=D // N,
    F=f.need("ffn_dim"),
    norm="layer",
    norm_eps=1e-5,
    pre_norm=before,
    sum_norm=not before,
    final_norm=before and not f.get("_remove_final_layer_norm", default=False),
    activation=activation(f.get("activation_function", default="relu")),
    gated=False,
    rope=None,
    learned_positions=True,
    position_offset=2,
    embed_width=0 if width == D else width,
    qkv_bias=bias,
    out_bias=bias,
    mlp_bias=bias,
    tied=f.get("tie_word_embeddings", default=True),
  )
  f.only("layer_norm_elementwise_affine", True)
  for name in ("dropout", "activation_dropout", "layerdrop", "init_std", "output_projection"):
    f.ignore(name)  # of training and of other programs
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  model, layer, mine = "model.decoder.", "model.decoder.layers.{l}.", "layers/"
  table = [
    Weight(model + "embed_tokens.weight", "embed/tokens", "V W -> V W"),
    Weight(model + "embed_positions.weight", "embed/positions", "P D -> P D"),
  ]
  if c.embed_width:
    table += linear(model + "project_in", "embed/project_in", "D W -> W D", bias=False)
    table += linear(model + "project_out", "project_out", "W D -> D W", bias=False)
  table += heads(c, layer + "self_attn.")
  out = layer + "self_attn.out_proj"
  table += linear(out, mine + "attention/out", "D (N H) -> N H D", c.out_bias)
  table += plain_mlp(c, layer + "fc1", layer + "fc2")
  kind = "sum_norm" if c.sum_norm else "norm"
  table += norm(c, layer + "self_attn_layer_norm", f"{mine}attention_{kind}")
  table += norm(c, layer + "final_layer_norm", f"{mine}mlp_{kind}")
  if c.final_norm:
    table += norm(c, model + "final_layer_norm", "final_norm")
  return table + ([] if c.tied else linear("lm_head", "head", "V W -> W V", bias=False))
