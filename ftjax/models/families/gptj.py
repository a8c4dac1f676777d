"""GPT-J (Wang and Komatsuzaki 2021; reference: transformers/models/gptj/modeling_gptj.py)."""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import gpt_config, linear, norm
from ftjax.models.fields import Fields
from ftjax.models.rope import Rope

MODELS = "GPT-J 6B; GPT-JT"

IGNORED = (
  r"transformer\.h\.\d+\.attn\.(bias|masked_bias)",
)  # causal-mask buffers of old checkpoints


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  H = f.need("n_embd") // f.need("n_head")
  rope = Rope(theta=10000.0, dims=f.get("rotary_dim", default=H), interleaved=True)
  c = gpt_config(f, residual="parallel", rope=rope, head_bias=True)
  f.only("tie_word_embeddings", False)
  f.only("rotary", True)
  f.ignore("scale_attn_weights")  # published configs carry it; GPT-J always scales
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  layer, mine = "transformer.h.{l}.", "layers/"
  table = [Weight("transformer.wte.weight", "embed/tokens", "V D -> V D")]
  for theirs, ours in (("q", "query"), ("k", "key"), ("v", "value")):
    name, path = f"{layer}attn.{theirs}_proj", f"{mine}attention/{ours}"
    table += linear(name, path, "(N H) D -> D N H", bias=False)
  table += linear(layer + "attn.out_proj", mine + "attention/out", "D (N H) -> N H D", bias=False)
  table += linear(layer + "mlp.fc_in", mine + "mlp/up", "F D -> D F", bias=True)
  table += linear(layer + "mlp.fc_out", mine + "mlp/down", "D F -> F D", bias=True)
  table += norm(c, layer + "ln_1", mine + "attention_norm")
  table += norm(c, "transformer.ln_f", "final_norm")
  return table + linear("lm_head", "head", "V D -> D V", bias=True)
