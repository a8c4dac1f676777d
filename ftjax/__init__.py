"""ftjax: fine-tune pretrained language models for content generation, in JAX.

  import ftjax

  model = ftjax.load("starter")                    # or a folder in Hugging Face format, or a hub id
  print(model.generate(["The Old Mill is"])[0])

  config = ftjax.get_config()                      # every key: ftjax/defaults.py
  config.data.train = "rows.jsonl"
  result = ftjax.finetune(config, "runs/mine")
  print(ftjax.load("runs/mine/best").generate(["..."])[0])

  from ftjax.evaluation import evaluate            # configs/evaluate.py has its keys

Nothing heavy happens at import: each name is loaded when it is first used.
"""

import importlib

__version__ = "0.1.0"

_HOME = {
  "LanguageModel": "ftjax.language_model",
  "load": "ftjax.language_model",
  "finetune": "ftjax.finetuning",
  "get_config": "ftjax.defaults",
  "loss_figure": "ftjax.research.plots",
}
__all__ = sorted(_HOME)


def __getattr__(name: str):
  if name not in _HOME:
    raise AttributeError(f"module 'ftjax' has no attribute {name!r}; it has {', '.join(__all__)}")
  return getattr(importlib.import_module(_HOME[name]), name)
