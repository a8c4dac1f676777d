"""GPT-2 (Radford et al. 2019; reference: transformers/models/gpt2/modeling_gpt2.py).

Its linear layers are Conv1D: kernels are stored input first, and query, key and value are one
tensor.
"""

from ftjax.models.config import Fields, ModelConfig, Weight, activation

PREFIX = "transformer."  # the published gpt2 checkpoints leave it out
IGNORED = (
  r"transformer\.h\.\d+\.attn\.(bias|masked_bias)",
)  # causal-mask buffers of old checkpoints


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  D, N = f.need("n_embd"), f.need("n_head")
  c = ModelConfig(
    V=f.need("vocab_size"),
    D=D,
    L=f.need("n_layer"),
    N=N,
    K=N,
    H=D // N,
    F=f.get("n_inner", default=4 * D),
    max_length=f.need("n_positions"),
    norm="layer",
    norm_eps=f.get("layer_norm_epsilon", default=1e-5),
    activation=activation(f.get("activation_function", default="gelu_new")),
    gated=False,
    learned_positions=True,
    fused_qkv=True,
    qkv_bias=True,
    out_bias=True,
    mlp_bias=True,
    tied=f.get("tie_word_embeddings", default=True),
  )
  f.only("scale_attn_weights", True)
  f.only("scale_attn_by_inverse_layer_idx", False)
  f.get(
    "reorder_and_upcast_attn"
  )  # the same mathematics at another precision: ours is float32 anyway
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  layer, mine = "transformer.h.{l}.", "layers/"
  table = [
    Weight("transformer.wte.weight", "embed/tokens", "V D -> V D"),
    Weight("transformer.wpe.weight", "embed/positions", "P D -> P D"),
    Weight(layer + "attn.c_attn.weight", mine + "attention/qkv/kernel", "D (M H) -> D M H"),
    Weight(layer + "attn.c_attn.bias", mine + "attention/qkv/bias", "(M H) -> M H"),
    Weight(layer + "attn.c_proj.weight", mine + "attention/out/kernel", "(N H) D -> N H D"),
    Weight(layer + "attn.c_proj.bias", mine + "attention/out/bias", "D -> D"),
    Weight(layer + "mlp.c_fc.weight", mine + "mlp/up/kernel", "D F -> D F"),
    Weight(layer + "mlp.c_fc.bias", mine + "mlp/up/bias", "F -> F"),
    Weight(layer + "mlp.c_proj.weight", mine + "mlp/down/kernel", "F D -> F D"),
    Weight(layer + "mlp.c_proj.bias", mine + "mlp/down/bias", "D -> D"),
  ]
  norms = (("ln_1", "attention_norm"), ("ln_2", "mlp_norm"))
  for theirs, ours in [(layer + a, mine + b) for a, b in norms] + [
    ("transformer.ln_f", "final_norm")
  ]:
    table.append(Weight(theirs + ".weight", ours + "/scale", "D -> D"))
    table.append(Weight(theirs + ".bias", ours + "/bias", "D -> D"))
  if not c.tied:
    table.append(Weight("lm_head.weight", "head/kernel", "V D -> D V"))
  return table
