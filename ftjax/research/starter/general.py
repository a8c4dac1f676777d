"""Text of the kind that the starter model was pretrained on, by another seed: what eval.general takes
for the starter, to see how much of it a fine-tuned model forgets."""

import json
from pathlib import Path

from ftjax.research.starter.documents import documents

SEED = 3  # build.py trains on 1 and validates on 2
COUNT = 400


def write_general(path: str | Path) -> None:
  """The documents as JSON lines of {"text": ...}."""
  lines = (json.dumps({"text": text}, ensure_ascii=False) for text in documents(SEED, COUNT))
  Path(path).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
