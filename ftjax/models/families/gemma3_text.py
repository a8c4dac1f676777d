"""Gemma 3, its language model (Gemma Team 2025; reference:
transformers/models/gemma3/modeling_gemma3.py): Gemma 2 without caps, with norms of queries and keys;
layers with a window have a rope of their own."""

from ftjax.config import InputError
from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import (
  GEMMA_NORMS,
  gemma_flags,
  llama_config,
  llama_weights,
  qk_norms,
)
from ftjax.models.fields import Fields, activation, parameters, read_rope, windows
from ftjax.models.rope import Rope

MODELS = "Gemma 3 270M and 1B; the language models of 4B, 12B and 27B where they are saved alone"


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  L, flags = f.need("num_hidden_layers"), gemma_flags(f)
  every = f.get("sliding_window_pattern", "_sliding_window_pattern", default=6)
  sliding = windows(
    f, L, f.get("sliding_window", default=4096), [(l + 1) % every for l in range(L)]
  )
  main, local = _ropes(f, flags["H"])
  f.only("attn_logit_softcapping", None)  # the reference has the field and does not use it
  c = llama_config(
    f,
    activation=activation(f.get("hidden_activation", default="gelu_pytorch_tanh")),
    post_norm=True,
    qk_norm="head",
    windows=sliding,
    rope=main,
    local_rope=local,
    layer_ropes=tuple("local" if w else "main" for w in sliding or (0,) * L),
    score_scale=f.get("query_pre_attn_scalar", default=256) ** -0.5,
    logits_cap=f.get("final_logit_softcapping", default=0.0),
    **flags,
  )
  f.done()
  return c


def _ropes(f: Fields, H: int) -> tuple[Rope, Rope]:
  """(of layers that see everything, of those with a window), as transformers 5 or 4 spells them."""
  both = parameters(f.get("rope_parameters", default={}))
  if strange := both.keys() - {"full_attention", "sliding_attention"}:
    raise InputError(
      f"config.json's rope_parameters has {sorted(strange)}; this family has full_attention and "
      "sliding_attention, each with its own."
    )
  main = (both.get("full_attention") or {}) | f.get("rope_scaling", default={})
  main["rope_theta"] = main.get("rope_theta") or f.get("rope_theta", default=1_000_000.0)
  local = dict(both.get("sliding_attention") or {})
  local["rope_theta"] = local.get("rope_theta") or f.get("rope_local_base_freq", default=10_000.0)
  return read_rope(f, H, main), read_rope(f, H, local)


def weights(c: ModelConfig) -> list[Weight]:
  return llama_weights(c, GEMMA_NORMS) + qk_norms(c)
