"""Llama 1, 2 and 3.x (Touvron et al. 2023; reference:
transformers/models/llama/modeling_llama.py)."""

from ftjax.models.config import Fields, ModelConfig, Weight, activation, rope


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  D, N = f.need("hidden_size"), f.need("num_attention_heads")
  H = f.get("head_dim", default=D // N)
  bias = f.get("attention_bias", default=False)
  c = ModelConfig(
    V=f.need("vocab_size"),
    D=D,
    L=f.need("num_hidden_layers"),
    N=N,
    K=f.get("num_key_value_heads", default=N),
    H=H,
    F=f.need("intermediate_size"),
    max_length=f.get("max_position_embeddings", default=2048),
    norm="rms",
    norm_eps=f.get("rms_norm_eps", default=1e-6),
    activation=activation(f.get("hidden_act", default="silu")),
    gated=True,
    rope=rope(f, H),
    qkv_bias=bias,
    out_bias=bias,
    mlp_bias=f.get("mlp_bias", default=False),
    tied=f.get("tie_word_embeddings", default=False),
  )
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
    if c.qkv_bias:
      table.append(Weight(name + "bias", path + "bias", f"({heads} H) -> {heads} H"))
  table.append(
    Weight(layer + "self_attn.o_proj.weight", mine + "attention/out/kernel", "D (N H) -> N H D")
  )
  if c.out_bias:
    table.append(Weight(layer + "self_attn.o_proj.bias", mine + "attention/out/bias", "D -> D"))
  for name, dims in (("gate", "F D -> D F"), ("up", "F D -> D F"), ("down", "D F -> F D")):
    table.append(Weight(f"{layer}mlp.{name}_proj.weight", f"{mine}mlp/{name}/kernel", dims))
    if c.mlp_bias:
      out = dims[0]
      table.append(
        Weight(f"{layer}mlp.{name}_proj.bias", f"{mine}mlp/{name}/bias", f"{out} -> {out}")
      )
  if not c.tied:
    table.append(Weight("lm_head.weight", "head/kernel", "V D -> D V"))
  return table
