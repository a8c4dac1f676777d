"""LoRA: a small adapter on every linear layer of the blocks; the base stays as it is.

  python scripts/train.py --config=configs/lora.py --workdir=runs/mine-lora \
      --config.model.source=FOLDER_OR_HUB_ID --config.data.train=rows.jsonl
  python scripts/export.py --run=runs/mine-lora --merge --output=merged

`best/` is a PEFT adapter. Adapters take about ten times the learning rate of full fine-tuning.
"""

from ftjax.defaults import get_config as defaults


def get_config(arg=None):
  del arg
  c = defaults()
  c.adapter.kind = "lora"
  c.optim.learning_rate = 2e-4
  return c
