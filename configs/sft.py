"""Full fine-tuning: every parameter is trained, from a small, warmed-up learning rate, with early
stopping.

  python scripts/train.py --config=configs/sft.py --workdir=runs/mine \
      --config.model.source=FOLDER_OR_HUB_ID --config.data.train=rows.jsonl

Every key and its meaning: ftjax/defaults.py. A 2e-5 learning rate suits models from about 100M
parameters on; tiny ones want more (see docs/e2e.md for measured rates on a 260k-parameter model).
"""

from ftjax.defaults import get_config as defaults


def get_config(arg=None):
  del arg
  return defaults()
