"""What each kind of adapter costs and gives on your data, beside full fine-tuning:

  python scripts/adapters.py --model=FOLDER --workdir=runs/adapters --rate=5e-4 \
      --train="--config.data.train=rows.jsonl --config.eval.general=stories.jsonl"

trains once with each kind (what is there already is not run again) and prints a table in Markdown.
--rate is that of full fine-tuning; ftjax/research/adapters.py has how many times of it each kind gets.
"""

import shlex
from pathlib import Path

from absl import flags

from ftjax import cli

_MODEL = flags.DEFINE_string("model", None, "A model's folder or hub id.", required=True)
_WORKDIR = flags.DEFINE_string("workdir", "runs/adapters", "The folder of the runs.")
_RATE = flags.DEFINE_float("rate", 1e-4, "The learning rate of full fine-tuning.", lower_bound=0)
_TRAIN = flags.DEFINE_string("train", "", "Flags of scripts/train.py for all rows.")
_OTHER = flags.DEFINE_string("other", "", "General text of another kind, only measured.")
_ROWS = flags.DEFINE_list("rows", [], "The kinds to run, by the beginnings of their names.")


def main() -> int | None:
  from ftjax.research import adapters as a

  names = [n for n in a.KINDS if not _ROWS.value or n.startswith(tuple(_ROWS.value))]
  if not names:
    return cli.fail(f"--rows={_ROWS.value} names no kind. There are: {', '.join(a.KINDS)}.")
  folder, rows = Path(_WORKDIR.value), []
  own = [f"--config.model.source={_MODEL.value}", *shlex.split(_TRAIN.value)]
  for name in names:
    rows.append(a.run_row(name, own, folder, _RATE.value, _OTHER.value, not rows))
    a.report(rows, folder)
  return None


if __name__ == "__main__":
  cli.run(main)
