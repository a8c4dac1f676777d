"""Builds the starter model from nothing: its text, its tokenizer, a random Llama, and ftjax's own
trainer."""

import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp

from ftjax.models import decoder, export
from ftjax.models.families import llama
from ftjax.research.starter.documents import documents
from ftjax.research.starter.tokenizer import train_tokenizer

TOKENIZER_DOCUMENTS = 20_000
VALIDATION_DOCUMENTS = 500
SEED, VALIDATION_SEED = 1, 2
SHAPE = {
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 2048, "hidden_size": 192,
  "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 6, "num_key_value_heads": 6,
  "head_dim": 32, "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "hidden_act": "silu",
  "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}, "tie_word_embeddings": True,
  "attention_bias": False, "mlp_bias": False,
}  # fmt: skip


def write_texts(folder: Path, count: int) -> tuple[Path, Path]:
  """(training, validation) JSONL files of {"text": ...} rows; the validation text comes from
  another seed."""
  paths = folder / "train.jsonl", folder / "validation.jsonl"
  folder.mkdir(parents=True, exist_ok=True)
  for path, seed, n in zip(
    paths, (SEED, VALIDATION_SEED), (count, VALIDATION_DOCUMENTS), strict=True
  ):
    with open(path, "w", encoding="utf-8") as f:
      f.writelines(json.dumps({"text": text}) + "\n" for text in documents(seed, n))
  return paths


def random_model(folder: Path) -> None:
  """A Hugging Face folder: the tokenizer, trained here, and random float32 weights."""
  tokenizer = train_tokenizer(documents(SEED, TOKENIZER_DOCUMENTS), SHAPE["vocab_size"])
  hf_config = SHAPE | {
    "bos_token_id": tokenizer.bos_token_id,
    "eos_token_id": tokenizer.eos_token_id,
    "pad_token_id": tokenizer.pad_token_id,
  }
  config = llama.config(hf_config)
  variables = decoder.init(config, jax.random.key(SEED))
  export.write(folder, variables, config, llama.weights(config), hf_config)
  tokenizer.save_pretrained(folder)


def publish(best: Path, output: Path) -> None:
  """Copies the trained folder to `output` with its weights in bfloat16."""
  from ftjax.models import hf

  checkpoint = hf.open_checkpoint(best)
  variables = hf.read(checkpoint, jnp.bfloat16)
  export.write(output, variables, checkpoint.config, checkpoint.table, checkpoint.hf_config)
  for name in ("tokenizer.json", "tokenizer_config.json"):
    shutil.copy(best / name, output / name)
