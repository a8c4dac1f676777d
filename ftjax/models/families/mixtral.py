"""Mixtral (Jiang et al. 2024; reference: transformers/models/mixtral/modeling_mixtral.py)."""

from ftjax.models.config import Experts, ModelConfig, Weight
from ftjax.models.families._shared import every_window, llama_config, llama_weights
from ftjax.models.fields import Fields

MODELS = "Mixtral 8x7B and 8x22B, and what is fine-tuned from them"


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  c = llama_config(
    f,
    norm="rms",
    norm_eps=f.get("rms_norm_eps", default=1e-5),
    windows=every_window(f, f.get("sliding_window")),
    experts=Experts(
      f.get("num_local_experts", "num_experts", default=8),
      f.get("num_experts_per_tok", default=2),
    ),
    tied=f.get("tie_word_embeddings", default=False),
  )
  f.only("router_jitter_noise", 0.0)
  f.ignore(
    "router_aux_loss_coef", "output_router_logits"
  )  # a loss that plain fine-tuning is without
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  moe, mine = "model.layers.{l}.block_sparse_moe.", "layers/experts/"
  mlp = "model.layers.{l}.mlp."  # what transformers calls it now
  return llama_weights(c) + [
    Weight(moe + "gate.weight", mine + "router/kernel", "E D -> D E", mlp + "gate.weight"),
    Weight(
      moe + "experts.{e}.{w1,w3}.weight",
      mine + "gate_up/kernel",
      "F D -> D C F",
      mlp + "experts.gate_up_proj",
    ),
    Weight(
      moe + "experts.{e}.w2.weight", mine + "down/kernel", "D F -> F D", mlp + "experts.down_proj"
    ),
  ]
