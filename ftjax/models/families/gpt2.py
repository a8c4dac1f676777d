"""GPT-2 (Radford et al. 2019; reference: transformers/models/gpt2/modeling_gpt2.py).

Its linear layers are Conv1D: kernels are stored input first, and query, key and value are one
tensor.
"""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import gpt_config, linear, norm
from ftjax.models.fields import Fields

MODELS = "GPT-2 from 124M to 1.5B; DistilGPT2; DialoGPT; GPT-SW3"

PREFIX = "transformer."  # the published gpt2 checkpoints leave it out
IGNORED = (
  r"transformer\.h\.\d+\.attn\.(bias|masked_bias)",
)  # causal-mask buffers of old checkpoints


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  c = gpt_config(
    f,
    learned_positions=True,
    fused_qkv=True,
    qkv_bias=True,
    out_bias=True,
    tied=f.get("tie_word_embeddings", default=True),
  )
  f.only("scale_attn_weights", True)
  f.only("scale_attn_by_inverse_layer_idx", False)
  f.ignore(
    "reorder_and_upcast_attn"
  )  # the same mathematics at another precision: ours is float32 anyway
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  layer, mine = "transformer.h.{l}.", "layers/"
  table = [
    Weight("transformer.wte.weight", "embed/tokens", "V D -> V D"),
    Weight("transformer.wpe.weight", "embed/positions", "P D -> P D"),
  ]
  for theirs, ours, dims in (
    ("attn.c_attn", "attention/qkv", "D (M H) -> D M H"),
    ("attn.c_proj", "attention/out", "(N H) D -> N H D"),
    ("mlp.c_fc", "mlp/up", "D F -> D F"),
    ("mlp.c_proj", "mlp/down", "F D -> F D"),
  ):
    table += linear(layer + theirs, mine + ours, dims, bias=True, outputs=-1)
  table += norm(c, layer + "ln_1", mine + "attention_norm")
  table += norm(c, layer + "ln_2", mine + "mlp_norm")
  table += norm(c, "transformer.ln_f", "final_norm")
  if not c.tied:
    table += linear("lm_head", "head", "V D -> D V", bias=False)
  return table
