"""Adapters made by PEFT, and read there and here."""

import warnings

import jax.numpy as jnp
import safetensors.numpy

from ftjax.models import hf, lora, vocabulary
from ftjax.pretrained import read_weights
from tests.models.reference import Rows, quiet, rows, theirs
from tests.tiny import torch_model

BATCH = rows()


def made(base, settings: dict, seed: int = 0, vocabulary: int = 0):
  """A PEFT model whose trainable parameters are random; vocabulary: tokens to make room for."""
  import peft
  import torch

  torch.manual_seed(seed)
  with quiet(), warnings.catch_warnings():
    # PEFT says what it does with tied heads and sets fan_in_fan_out by itself.
    warnings.simplefilter("ignore")
    model = torch_model(base)
    if vocabulary:
      model.resize_token_embeddings(vocabulary, mean_resizing=False)
    model = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **settings)).eval()
  with torch.no_grad():
    for name, parameter in model.named_parameters():
      if parameter.requires_grad:
        parameter.add_((0.2 if "lora_" in name else 0.1) * torch.randn_like(parameter))
  return model


def by_peft(base, folder, seed: int = 0, batch: Rows = BATCH, vocabulary: int = 0, **settings):
  """Writes a PEFT adapter whose numbers are random; returns its logits."""
  model = made(base, settings, seed, vocabulary)
  save(model, folder)
  return theirs(model, batch)


def save(model, folder):
  """As PEFT saves it."""
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    model.save_pretrained(folder)


def in_peft(base, folder, vocabulary: int = 0):
  """The adapter as peft loads it; a key too many or too few is a warning there, an error here."""
  import peft

  with quiet(), warnings.catch_warnings():
    for harmless in (
      ".*fan_in_fan_out is set to.*",
      ".*tie_word_embeddings.*",
      ".*tied.*",
      ".*Unsupported layer type.*",
    ):
      warnings.filterwarnings("ignore", harmless)
    model = torch_model(base)
    if vocabulary:
      model.resize_token_embeddings(vocabulary, mean_resizing=False)
    return peft.PeftModel.from_pretrained(model, folder).eval()


def with_adapter(base, folder, dtype=jnp.float32, pad_vocab_to: int = 1):
  """(checkpoint, variables) of a base and a PEFT folder."""
  found = lora.open_folder(folder)
  c = vocabulary.padded(lora.base_for(found, hf.open_checkpoint(base)), pad_vocab_to)
  params = read_weights(c, dtype)
  return c, params | lora.read(found, c, params)


def tensors_of(folder) -> dict:
  """The tensors of an adapter's folder."""
  return safetensors.numpy.load_file(folder / lora.WEIGHTS)
