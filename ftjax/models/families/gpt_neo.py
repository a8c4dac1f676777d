"""GPT-Neo (Black et al. 2021; reference: transformers/models/gpt_neo/modeling_gpt_neo.py).

Its linear layers are torch's, unlike GPT-2's, and its scores are not scaled.
"""

from ftjax.config import InputError
from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import heads, linear, norm, plain_mlp
from ftjax.models.fields import Fields, activation, windows

MODELS = "GPT-Neo 125M, 1.3B and 2.7B; TinyStories"

IGNORED = (
  r"transformer\.h\.\d+\.attn\.attention\.(bias|masked_bias)",
)  # causal-mask buffers of old checkpoints


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  D, N, L = f.need("hidden_size"), f.need("num_heads"), f.need("num_layers")
  c = ModelConfig(
    V=f.need("vocab_size"),
    D=D,
    L=L,
    N=N,
    K=N,
    H=D // N,
    F=f.get("intermediate_size", default=4 * D),
    max_length=f.need("max_position_embeddings"),
    norm="layer",
    norm_eps=f.get("layer_norm_epsilon", default=1e-5),
    activation=activation(f.get("activation_function", default="gelu_new")),
    gated=False,
    learned_positions=True,
    score_scale=1.0,
    out_bias=True,
    mlp_bias=True,
    tied=f.get("tie_word_embeddings", default=True),
  )
  c = c.with_(windows=windows(f, L, f.get("window_size", default=256), _local(f)))
  f.ignore("resid_dropout", "embed_dropout", "classifier_dropout")
  f.done()
  return c


def _local(f: Fields) -> list[bool]:
  """Which layers look back over window_size tokens only."""
  types = f.get("attention_types", default=[[["global", "local"], 12]])
  layers = f.get("attention_layers", default=[kind for some, n in types for kind in some * n])
  if strange := [k for k in layers if k not in ("global", "local")]:
    raise InputError(
      f"config.json's attention_types has {strange[0]!r}; ftjax has global and local."
    )
  return [k == "local" for k in layers]


def weights(c: ModelConfig) -> list[Weight]:
  layer, mine = "transformer.h.{l}.", "layers/"
  table = [
    Weight("transformer.wte.weight", "embed/tokens", "V D -> V D"),
    Weight("transformer.wpe.weight", "embed/positions", "P D -> P D"),
  ]
  table += heads(c, layer + "attn.attention.")
  out = layer + "attn.attention.out_proj"
  table += linear(out, mine + "attention/out", "D (N H) -> N H D", c.out_bias)
  table += plain_mlp(c, layer + "mlp.c_fc", layer + "mlp.c_proj")
  table += norm(c, layer + "ln_1", mine + "attention_norm")
  table += norm(c, layer + "ln_2", mine + "mlp_norm")
  table += norm(c, "transformer.ln_f", "final_norm")
  return table + ([] if c.tied else linear("lm_head", "head", "V D -> D V", bias=False))
