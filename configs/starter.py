"""Pretraining of the starter model (2.2M parameters) on the text of ftjax/research/starter.

  python scripts/make_starter.py --workdir=runs/starter

writes the text, the tokenizer and a random model, trains with this config, and puts the result, in
bfloat16, into ftjax/assets/starter (4.3 MB). On two CPU cores: half an hour (33 minutes of processor
time) for 6,318 updates. The validation loss falls from 7.66 to 2.60 (step 500), 1.66 (step 1000: the
model has begun to copy), 1.39 (step 3000) and 1.24; most of what is left is in names and numbers that
nobody can foresee.
"""

from ftjax.defaults import get_config as defaults


def get_config(arg=None):
  del arg
  c = defaults()
  c.data.format = "text"
  c.data.max_length = 256
  c.optim.name = "muon"
  c.optim.learning_rate = 4e-3
  c.optim.warmup = "100 steps"
  c.optim.weight_decay = 0.1
  c.optim.b2 = 0.95
  c.train.duration = "1 epoch"
  c.train.batch_size = 8  # copying begins after so many updates, not after so many tokens
  c.train.remat = "dots"  # on a CPU recomputing is cheaper than keeping
  c.train.log_every = 50
  c.eval.every = "500 steps"
  c.eval.samples = 16
  c.eval.max_new_tokens = 64
  c.checkpoint.every = "500 steps"
  return c
