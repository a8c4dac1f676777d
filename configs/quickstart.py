"""Quickstart: the starter model learns one brand's voice from 1,256 briefs with copy. No network, no
GPU.

  python scripts/train.py --config=configs/quickstart.py --workdir=runs/quickstart

Two CPU cores: a minute and a half (158 seconds of processor time). On the 344 briefs that are held
out, whose names and features occur nowhere in training, the table at the end shows

                               floor     base   tuned  over floor
    validation loss                -   7.0915  0.1505
    perplexity                     -  1201.73    1.16
    token accuracy                 -    26.5%   94.2%
    general loss                   -   1.2626  2.5041
    general perplexity             -     3.53   12.23
    BLEU                        14.6     11.8    36.7       +22.1
    chrF                        31.0     35.7    54.7       +23.7
    texts unlike all others        -     100%    100%
    ends by itself                 -      96%    100%
    facts stated                  1%      88%    100%        +99%
      product                     0%      81%    100%       +100%
      price                       1%      99%    100%        +99%
      for                         4%      83%    100%        +96%
      feature                     0%      88%    100%       +100%
      tone (an instruction)       0%       7%      0%         +0%
    texts that invent a value   100%       0%      0%       -100%

The percentages are rounded: 1 product and 1 feature of 344 are spelled wrong.
"""

from ftjax.cli import ROOT
from ftjax.defaults import get_config as defaults


def get_config(arg=None):
  del arg
  c = defaults()
  c.model.source = "starter"
  c.data.train = str(ROOT / "ftjax" / "assets" / "quickstart.jsonl")
  c.data.validation_fraction = 0.2
  c.data.max_length = 512  # four rows in a row of the batch
  c.optim.learning_rate = 1e-3
  c.optim.warmup = "20 steps"
  c.train.duration = "3 epochs"
  c.train.batch_size = 4
  c.eval.every = "1 epoch"
  c.eval.samples = 400  # all that are held out
  return c
