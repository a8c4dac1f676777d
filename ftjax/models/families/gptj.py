"""GPT-J (Wang and Komatsuzaki 2021; reference: transformers/models/gptj/modeling_gptj.py)."""

from ftjax.models.config import Fields, ModelConfig, Rope, Weight, activation

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
    residual="parallel",
    rope=Rope(theta=10000.0, dims=f.get("rotary_dim", default=D // N), interleaved=True),
    mlp_bias=True,
    head_bias=True,
  )
  f.only("tie_word_embeddings", False)
  f.only("rotary", True)
  f.get("scale_attn_weights")  # published configs carry it; GPT-J always scales
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  layer, mine = "transformer.h.{l}.", "layers/"
  table = [
    Weight("transformer.wte.weight", "embed/tokens", "V D -> V D"),
    Weight(layer + "attn.out_proj.weight", mine + "attention/out/kernel", "D (N H) -> N H D"),
    Weight(layer + "mlp.fc_in.weight", mine + "mlp/up/kernel", "F D -> D F"),
    Weight(layer + "mlp.fc_in.bias", mine + "mlp/up/bias", "F -> F"),
    Weight(layer + "mlp.fc_out.weight", mine + "mlp/down/kernel", "D F -> F D"),
    Weight(layer + "mlp.fc_out.bias", mine + "mlp/down/bias", "D -> D"),
    Weight("lm_head.weight", "head/kernel", "V D -> D V"),
    Weight("lm_head.bias", "head/bias", "V -> V"),
  ]
  for theirs, ours in (("q", "query"), ("k", "key"), ("v", "value")):
    name, path = f"{layer}attn.{theirs}_proj.weight", f"{mine}attention/{ours}/kernel"
    table.append(Weight(name, path, "(N H) D -> D N H"))
  for theirs, ours in (
    (layer + "ln_1", mine + "attention_norm"),
    ("transformer.ln_f", "final_norm"),
  ):
    table.append(Weight(theirs + ".weight", ours + "/scale", "D -> D"))
    table.append(Weight(theirs + ".bias", ours + "/bias", "D -> D"))
  return table
