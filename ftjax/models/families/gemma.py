"""Gemma (Gemma Team 2024; reference: transformers/models/gemma/modeling_gemma.py): norms multiply by
1 + scale, token vectors by the root of the width."""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import gemma_flags, llama_config, llama_weights
from ftjax.models.fields import Fields, activation

MODELS = "Gemma 2B and 7B, 1.1; CodeGemma"


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  f.ignore("hidden_activation")  # the reference reads hidden_act alone
  act = f.get("hidden_act", default="gelu_pytorch_tanh")
  act = "gelu_pytorch_tanh" if act == "gelu" else act  # as the first configs meant it
  c = llama_config(f, activation=activation(act), **gemma_flags(f))
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  return llama_weights(c)
