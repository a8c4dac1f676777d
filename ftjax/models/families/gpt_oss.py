"""gpt-oss (OpenAI 2025; reference: transformers/models/gpt_oss/modeling_gpt_oss.py).

Experts are one tensor a layer, with the columns of gate and up in turns. The published checkpoints
have them in MXFP4 (formats/mxfp4.py).
"""

from ftjax.models.config import Experts, ModelConfig, Weight
from ftjax.models.families._shared import llama_config, llama_weights
from ftjax.models.fields import Fields, rope, windows

MODELS = "gpt-oss 20B and 120B, as published (experts in MXFP4) or in bfloat16"

_ROPE = dict(
  rope_type="yarn", factor=32.0, beta_fast=32.0, beta_slow=1.0, truncate=False,
  original_max_position_embeddings=4096,
)  # fmt: skip


def config(hf: dict) -> ModelConfig:
  scaled = hf.get("rope_parameters") or hf.get("rope_scaling")
  f = Fields(hf if scaled else hf | {"rope_parameters": _ROPE})
  bias = f.get("attention_bias", default=True)
  H = f.get("head_dim", default=64)
  c = llama_config(
    f,
    H=H,
    norm="rms",
    norm_eps=f.get("rms_norm_eps", default=1e-5),
    rope=rope(f, H, theta=150000.0),
    sinks=True,
    qkv_bias=bias,
    out_bias=bias,
    experts=Experts(
      f.get("num_local_experts", "num_experts", default=128),
      f.get("num_experts_per_tok", "experts_per_token", default=4),
      bias=True,
      swiglu_alpha=f.get("swiglu_alpha", default=1.702),
      swiglu_limit=f.get("swiglu_limit", default=7.0),
    ),
    tied=f.get("tie_word_embeddings", default=False),
  )
  alternating = [l % 2 == 0 for l in range(c.L)]
  c = c.with_(windows=windows(f, c.L, f.nullable("sliding_window", 128), alternating))
  f.only("hidden_act", "silu")
  f.ignore("initial_context_length")  # the rope's original length once more
  f.ignore(
    "router_aux_loss_coef", "output_router_logits"
  )  # a loss that plain fine-tuning is without
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  moe, mine = "model.layers.{l}.mlp.", "layers/experts/"
  router, gate_up, down = (
    moe + n for n in ("router.", "experts.gate_up_proj", "experts.down_proj")
  )
  return llama_weights(c) + [
    Weight("model.layers.{l}.self_attn.sinks", "layers/attention/sinks", "N -> N"),
    Weight(router + "weight", mine + "router/kernel", "E D -> D E", router + "weight"),
    Weight(router + "bias", mine + "router/bias", "E -> E"),
    Weight(gate_up, mine + "gate_up/kernel", "E D (F C) -> E D C F", gate_up),
    Weight(gate_up + "_bias", mine + "gate_up/bias", "E (F C) -> E C F"),
    Weight(down, mine + "down/kernel", "E F D -> E F D", down),
    Weight(down + "_bias", mine + "down/bias", "E D -> E D"),
  ]
