"""Prepares a dataset: collects, cleans, removes duplicates and personal data, splits, and writes a
version with its data card.

  python scripts/prepare_data.py --config=configs/data/default.py \
      --config.sources=articles/ --config.output=prepared

Every key and its meaning: ftjax/data/defaults.py.
"""

from ftjax.data.defaults import get_config as defaults


def get_config(arg=None):
  del arg
  return defaults()
