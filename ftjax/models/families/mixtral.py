"""Mixtral (Jiang et al. 2024; reference: transformers/models/mixtral/modeling_mixtral.py)."""

from ftjax.models.config import Experts, Fields, ModelConfig, Weight, activation, rope


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  D, N = f.need("hidden_size"), f.need("num_attention_heads")
  H = f.get("head_dim", default=D // N)
  c = ModelConfig(
    V=f.need("vocab_size"),
    D=D,
    L=f.need("num_hidden_layers"),
    N=N,
    K=f.get("num_key_value_heads", default=N),
    H=H,
    F=f.need("intermediate_size"),
    max_length=f.get("max_position_embeddings", default=131072),
    norm="rms",
    norm_eps=f.get("rms_norm_eps", default=1e-5),
    activation=activation(f.get("hidden_act", default="silu")),
    gated=True,
    rope=rope(f, H),
    tied=f.get("tie_word_embeddings", default=False),
    experts=Experts(f.get("num_local_experts", default=8), f.get("num_experts_per_tok", default=2)),
  )
  f.only("router_jitter_noise", 0.0)
  f.get("router_aux_loss_coef", "output_router_logits")
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  layer, mine = "model.layers.{l}.", "layers/"
  table = [
    Weight("model.embed_tokens.weight", "embed/tokens", "V D -> V D"),
    Weight("model.norm.weight", "final_norm/scale", "D -> D"),
    Weight(layer + "input_layernorm.weight", mine + "attention_norm/scale", "D -> D"),
    Weight(layer + "post_attention_layernorm.weight", mine + "mlp_norm/scale", "D -> D"),
  ]
  for theirs, ours, heads in (("q", "query", "N"), ("k", "key", "K"), ("v", "value", "K")):
    name, path = f"{layer}self_attn.{theirs}_proj.", f"{mine}attention/{ours}/"
    table.append(Weight(name + "weight", path + "kernel", f"({heads} H) D -> D {heads} H"))
  table.append(
    Weight(layer + "self_attn.o_proj.weight", mine + "attention/out/kernel", "D (N H) -> N H D")
  )
  moe, mine = layer + "block_sparse_moe.", mine + "experts/"
  table += [
    Weight(moe + "gate.weight", mine + "router/kernel", "E D -> D E"),
    Weight(moe + "experts.{e}.{w1,w3}.weight", mine + "gate_up/kernel", "F D -> D U F"),
    Weight(moe + "experts.{e}.w2.weight", mine + "down/kernel", "D F -> F D"),
  ]
  if not c.tied:
    table.append(Weight("lm_head.weight", "head/kernel", "V D -> D V"))
  return table
