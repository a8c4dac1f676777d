"""Full fine-tuning: every parameter is trained, from a small, warmed-up learning rate, with early
stopping.

  python scripts/train.py --config=configs/sft.py --workdir=runs/mine \
      --config.model.source=FOLDER_OR_HUB_ID --config.data.train=rows.jsonl

Every key and its meaning: ftjax/defaults.py. The learning rate follows the model's size: 2e-5 from a
billion parameters on, more for smaller ones (1e-4 at 120M, 2e-3 for the starter; docs/rates.md).
--config.optim.learning_rate=RATE takes another.
"""

from ftjax.defaults import get_config as defaults


def get_config(arg=None):
  del arg
  return defaults()
