"""What a model forgets while it learns, and what each remedy gives:

  python scripts/forgetting.py --model=FOLDER --write=stories.jsonl
  python scripts/forgetting.py --model=FOLDER --general=stories.jsonl --workdir=runs/forgetting \
      --train="--config.data.train=rows.jsonl --config.optim.learning_rate=2e-3"

The first writes general text by the model itself. The second trains once with each remedy (what is
there already is not run again), prints a table in Markdown and draws forgetting.png.
"""

import re
import shlex
from pathlib import Path

from absl import flags

from ftjax import cli

_MODEL = flags.DEFINE_string("model", None, "A model's folder or hub id.", required=True)
_WRITE = flags.DEFINE_string("write", "", "The file to write general text to.")
_COUNT = flags.DEFINE_integer("count", 1000, "Texts to write.")
_TOKENS = flags.DEFINE_integer("tokens", 480, "The most tokens of a text; longer are left out.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the texts.")
_GENERAL = flags.DEFINE_string("general", "", "Text: half is measured, half may be replayed.")
_OTHER = flags.DEFINE_string("other", "", "General text of another kind, only measured.")
_WORKDIR = flags.DEFINE_string("workdir", "runs/forgetting", "The folder of the runs.")
_TRAIN = flags.DEFINE_string("train", "", "Flags of scripts/train.py for all rows.")
_ROWS = flags.DEFINE_list("rows", [], "The remedies to run; all of them by default.")


def main() -> int | None:
  from ftjax import load
  from ftjax.config import choice
  from ftjax.research import forgetting as f

  if _WRITE.value:
    model = load(_MODEL.value)
    n = f.write_texts(model, _WRITE.value, _COUNT.value, _TOKENS.value, _SEED.value)
    print(f"{n} of {_COUNT.value} texts end by themselves: {_WRITE.value}")
    return None
  if not _GENERAL.value:
    return cli.fail("--general names no text to measure. Write some with --write=stories.jsonl.")
  names = [choice(n, f.REMEDIES, "--rows") for n in _ROWS.value] or list(f.REMEDIES)
  own = [f"--config.model.source={_MODEL.value}", f"--config.eval.general={_GENERAL.value}"]
  own += shlex.split(_TRAIN.value)
  rate = re.search(r"optim\.learning_rate=(\S+)", _TRAIN.value)
  folder, rows = Path(_WORKDIR.value), []
  for name in names:
    rate_of = float(rate[1]) if rate else 2e-5
    rows.append(f.run_row(name, own, folder, _OTHER.value, rate_of))
    f.report(rows, folder)
  return None


if __name__ == "__main__":
  cli.run(main)
