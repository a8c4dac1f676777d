"""LoRA: a small adapter on every linear layer of the blocks; the base stays as it is.

  python scripts/train.py --config=configs/lora.py --workdir=runs/mine-lora \
      --config.model.source=FOLDER_OR_HUB_ID --config.data.train=rows.jsonl
  python scripts/export.py --run=runs/mine-lora --merge --output=merged

`best/` is a PEFT adapter. The learning rate is ten times that of full fine-tuning (1e-2 at most): by the
model's size, 2e-4 from a billion parameters on.
"""

from ftjax.defaults import get_config as defaults


def get_config(arg=None):
  del arg
  c = defaults()
  c.adapter.kind = "lora"
  return c
