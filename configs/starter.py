"""Pretraining of the starter model (1.4M parameters) on the text of ftjax/research/starter.

  python scripts/make_starter.py --workdir=runs/starter

writes the text, the tokenizer and a random model, trains with this config, and puts the result, in
bfloat16, into ftjax/assets/starter. On two CPU cores: about half an hour.
"""

from ftjax.defaults import get_config as defaults


def get_config(arg=None):
  del arg
  c = defaults()
  c.data.format = "text"
  c.data.max_length = 256
  c.optim.learning_rate = 4e-3
  c.optim.warmup = "100 steps"
  c.optim.weight_decay = 0.1
  c.optim.b2 = 0.95
  c.train.duration = "1 epoch"
  c.train.batch_size = 16
  c.train.remat = "dots"  # on a CPU recomputing is cheaper than keeping
  c.train.log_every = 50
  c.eval.every = "250 steps"
  c.eval.samples = 16
  c.eval.max_new_tokens = 64
  c.checkpoint.every = "250 steps"
  return c
