"""Mistral (Jiang et al. 2023; reference: transformers/models/mistral/modeling_mistral.py): Llama
with a sliding window in every layer, or none where sliding_window is null."""

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.families._shared import every_window, llama_config, llama_weights
from ftjax.models.fields import Fields

MODELS = "Mistral 7B, Nemo 12B and Small 22B and 24B (text); Zephyr 7B"


def config(hf: dict) -> ModelConfig:
  f = Fields(hf)
  c = llama_config(
    f,
    windows=every_window(f, f.nullable("sliding_window", 4096)),
    tied=f.get("tie_word_embeddings", default=False),
  )
  f.done()
  return c


def weights(c: ModelConfig) -> list[Weight]:
  return llama_weights(c)
