"""A tiny model with a tokenizer of bytes, rows for it, and programs that try faults on them.

All of it: python -m pytest -m faults -n 0 -v tests/faults
"""

import json

import pytest

from ftjax.models import decoder, export
from ftjax.models.families import llama
from tests.faults.programs import Programs, digests, numbers
from tests.text.conftest import CHATML, make
from tests.train import toy

KINDS = {
  "full": [],
  "lora": ["--config.adapter.kind=lora", "--config.adapter.rank=4"],
  "ema": ["--config.optim.ema=0.9"],
  "early": ["--config.optim.learning_rate=0.3", "--config.eval.patience=1"],
}


@pytest.fixture(scope="session")
def programs(tmp_path_factory) -> Programs:
  return Programs(tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
  """A Hugging Face folder: two layers, one token a byte, a ChatML template."""
  import jax

  folder = tmp_path_factory.mktemp("model")
  tokenizer = make(CHATML, eos="<|im_end|>", adds_bos=False)
  fields = toy.HF | {
    "vocab_size": 264,
    "max_position_embeddings": 256,
    "eos_token_id": tokenizer.eos_token_id,
  }
  config = llama.config(fields)
  export.write(
    folder, decoder.init(config, jax.random.key(3)), config, llama.weights(config), fields
  )
  tokenizer.save_pretrained(folder)
  return folder


@pytest.fixture(scope="session")
def flags(tiny_folder, tmp_path_factory) -> list[str]:
  """Of a run of twelve updates with evaluations, checkpoints and samples."""
  rows = tmp_path_factory.mktemp("rows") / "rows.jsonl"
  lines = ({"prompt": f"Say {i}.", "completion": f"It is {i * 7 % 31}."} for i in range(60))
  rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
  settings = {
    "model.source": tiny_folder, "data.train": rows, "data.validation_fraction": 0.2, "data.max_length": 96,
    "optim.learning_rate": 0.01, "optim.warmup": "2 steps", "train.duration": "12 steps", "train.log_every": 1,
    "eval.every": "4 steps", "eval.samples": 3, "eval.max_new_tokens": 8, "checkpoint.every": "2 steps",
    "log.tensorboard": False,
  }  # fmt: skip
  return ["--config=configs/sft.py", *(f"--config.{k}={v}" for k, v in settings.items())]


@pytest.fixture(scope="session")
def whole(programs, flags, tmp_path_factory):
  """fn(kind of run) -> (its folder, the digests of best/ and final/, its numbers): never interrupted."""
  made = {}

  def of(kind: str):
    if kind not in made:
      folder = tmp_path_factory.mktemp("whole") / kind
      ended = programs.run("scripts/train.py", [*flags, *KINDS[kind], f"--workdir={folder}"])
      assert ended.status == 0, ended.text
      made[kind] = folder, digests(folder / "best"), digests(folder / "final"), numbers(folder)
    return made[kind]

  return of
