"""Qwen3 with experts (Qwen team 2025; reference:
transformers/models/qwen3_moe/modeling_qwen3_moe.py)."""

from ftjax.models.config import Experts, ModelConfig, Weight
from ftjax.models.families._shared import every_window, llama_config, llama_weights, qk_norms
from ftjax.models.fields import Fields

MODELS = "Qwen3 30B-A3B and 235B-A22B; Qwen3 Coder 30B-A3B and 480B-A35B"


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  bias = f.get("attention_bias", default=False)
  window = f.nullable("sliding_window", 4096)
  c = llama_config(
    f,
    F=f.need("moe_intermediate_size"),
    windows=every_window(f, window if f.get("use_sliding_window") else None),
    qk_norm="head",
    qkv_bias=bias,
    out_bias=bias,
    experts=Experts(
      f.get("num_local_experts", "num_experts", default=128),
      f.get("num_experts_per_tok", default=8),
      normalised=f.get("norm_topk_prob", default=False),
    ),
    tied=f.get("tie_word_embeddings", default=False),
  )
  f.ignore("intermediate_size")  # of layers without experts
  # Layers without experts, of width intermediate_size, among those with them: none was published.
  f.only("mlp_only_layers", [])
  f.only("decoder_sparse_step", 1)
  f.ignore("max_window_layers")  # the reference does not read it here
  f.ignore(
    "router_aux_loss_coef", "output_router_logits"
  )  # a loss that plain fine-tuning is without
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  moe, mine = "model.layers.{l}.mlp.", "layers/experts/"
  gate_up, down = moe + "experts.{e}.{gate_proj,up_proj}", moe + "experts.{e}.down_proj"
  experts = [
    Weight(moe + "gate.weight", mine + "router/kernel", "E D -> D E", moe + "gate.weight"),
    Weight(
      gate_up + ".weight", mine + "gate_up/kernel", "F D -> D C F", moe + "experts.gate_up_proj"
    ),
    Weight(down + ".weight", mine + "down/kernel", "D F -> F D", moe + "experts.down_proj"),
  ]
  return llama_weights(c) + qk_norms(c) + experts
