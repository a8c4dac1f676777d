"""Evaluation of a model beside its base: loss and perplexity; BLEU, chrF and facts of what it writes,
beside what texts of other prompts score; and samples for a person to judge.

A run's best model, on the run's own validation rows; and beside the training, on any device:
  python scripts/evaluate.py --config.source=runs/mine
  python scripts/evaluate.py --config.source=runs/mine --config.follow=True
Any model, or an adapter on its base:
  python scripts/evaluate.py --config.source=FOLDER_OR_HUB_ID --config.data.validation=rows.jsonl
  python scripts/evaluate.py --config.source=BASE --config.adapter=ADAPTER \
      --config.data.validation=rows.jsonl

Writes evaluation.json, samples.md and samples.html (evaluation.jsonl when following). It takes seconds
for models of some million parameters, and evaluation.json of a run repeats the run's own numbers.
"""

from ml_collections import ConfigDict

from ftjax.defaults import get_config as defaults


def get_config(arg=None):
  del arg
  c = ConfigDict()
  c.source = ""  # a run folder (its best/), a model's or adapter's folder, a hub id, or "starter"
  c.adapter = ""  # a PEFT adapter to put on the source
  c.base = "auto"  # what to compare with; auto: the run's or adapter's base; "" = nothing
  c.revision = ""  # of a hub id
  c.dtype = ""  # of parameters and computation: float32 | bfloat16; "" = as the run had; else float32
  c.attention = "auto"  # auto | xla | blocked

  # The rows. For a run: its own, with its own data config; validation=PATH takes other rows.
  c.data = d = ConfigDict()
  for key in (
    "validation",
    "format",
    "fields",
    "separator",
    "template",
    "max_length",
    "pack",
    "overlong",
    "train_on",
  ):
    d[key] = defaults().data[key]

  c.general = ""  # general text that a model should not forget; "" = what the run measured; "none"

  c.metrics = (
    "perplexity",
    "bleu",
    "chrf",
    "facts",
    "diversity",
    "ending",
  )  # modules of ftjax/evaluate/metrics
  c.batch_size = 16  # rows; changes speed and memory, not results
  c.partition = "pmap"  # pmap: parameters on every device | mesh: split over all devices
  c.samples = 64  # prompts to write for; 0 = none
  c.shown = 24  # of them in samples.md and samples.html
  c.max_new_tokens = 128
  c.temperature = 0.0
  c.seed = 0

  c.follow = (
    False  # watch a run folder and evaluate each checkpoint as it appears; ends when the run does
  )
  c.poll_seconds = 5.0
  c.output = ""  # a folder; "" = evaluation/ in the run folder, or here
  return c
