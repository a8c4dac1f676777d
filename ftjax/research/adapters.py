"""What each kind of adapter costs and gives: one run a row, and a table."""

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ftjax import storage
from ftjax.log import METRICS, read
from ftjax.research import runs
from ftjax.research.tables import markdown

LOG = "train.log"
_LORA = {"adapter.kind": "lora"}
# Flags of scripts/train.py; "rate": how many times the rate of full fine-tuning.
KINDS: dict[str, dict[str, str | float]] = {
  "full fine-tuning": {"rate": 1},
  "the last 2 layers": {"train.only": "last 2 layers", "rate": 2},
  "norms only": {"train.only": "norms", "rate": 10},
  "LoRA 16": _LORA | {"rate": 5},
  "LoRA 16, rank-stabilised": _LORA | {"adapter.rslora": "True", "rate": 2},
  "DoRA 16": _LORA | {"adapter.dora": "True", "rate": 5},
  "LoRA+ 16, ratio 4": _LORA | {"adapter.lora_plus": "4", "rate": 2},
  "PiSSA 16": _LORA | {"adapter.init": "pissa", "rate": 2},
  "OLoRA 16": _LORA | {"adapter.init": "olora", "rate": 1},
  "LoRA 4, MLP 16": _LORA | {
    "adapter.rank": "4", "adapter.alpha": "8", "adapter.patterns": "mlp: rank 16 alpha 32", "rate": 5,
  },
  "LoRA 16 with tables": _LORA | {
    "adapter.targets": r".*(_proj),embed_tokens,lm_head", "rate": 5,
  },
  "(IA)^3": {"adapter.kind": "ia3", "rate": 20},
  "prompt tuning 16": {"adapter.kind": "prompt", "rate": 20},
  "prefix tuning 16": {"adapter.kind": "prefix", "rate": 20},
  "LN tuning": {"adapter.kind": "norms", "rate": 10},
}  # fmt: skip


@dataclass(frozen=True)
class Row:
  """One kind's run. scores: best/'s, as evaluation.json has them; base: the base's. "other_loss": on
  a second general text, where one was measured."""

  name: str
  trained: int
  memory: str
  tokens_per_second: float
  base: Mapping[str, float]
  scores: Mapping[str, float]


def run_row(
  name: str, flags: Sequence[str], folder: Path, rate: float, other: str = "", base_too: bool = True
) -> Row:
  """Trains with a kind of adapter, or takes the run that is there.

  flags: of scripts/train.py, for all rows alike. rate: the learning rate of full fine-tuning. other:
  general text of another kind, on which best/ is measured as well, and the base if base_too.
  """
  kind = dict(KINDS[name])
  kind["optim.learning_rate"] = f"{rate * float(kind.pop('rate')):g}"
  workdir = folder / re.sub(r"\W+", "_", name)
  if not (workdir / "final").is_dir():
    own = [f"--config.{key}={value}" for key, value in kind.items()]
    runs.call("train.py", [f"--workdir={workdir}", *flags, *own], workdir / LOG)
  log = (workdir / LOG).read_text(encoding="utf-8")
  found = runs.scores(workdir)
  base, scores = found.get("base", {}), found["tuned"]
  if other:
    there = runs.scores_on(other, workdir, "best", base_too)
    if "base" in there:
      base = base | {"other_loss": there["base"]["general_loss"]}
    scores = scores | {"other_loss": there["tuned"]["general_loss"]}
  speeds = [m["train/tokens_per_second"] for m in read(workdir / METRICS)
            if m.get("train/tokens_per_second")]  # fmt: skip
  return Row(
    name,
    int(_in(log, r"trains +([\d,]+)").replace(",", "")),
    _in(log, r"memory +(\S+ \S+) per device"),
    statistics.median(speeds[1:] or speeds),
    base,
    scores,
  )


def _in(log: str, pattern: str) -> str:
  """What a run has said in its plan."""
  found = re.search(pattern, log)
  return found[1] if found else "0"


def table(rows: Sequence[Row]) -> str:
  """Markdown. Forgetting is how much the loss on general text rose; a column only where it was
  measured."""
  keys = [("loss", "validation loss", ".3f"), ("bleu", "BLEU", ".1f"), ("chrf", "chrF", ".1f"),
          ("finished", "ends by itself", ".0%")]  # fmt: skip
  texts = {"general_loss": "forgetting", "other_loss": "forgetting, other text"}
  measured = [key for key in texts if all(key in row.scores for row in rows)]
  header = ["kind", "trained parameters", *(title for _, title, _ in keys)]
  header += [texts[key] for key in measured]
  lines = []
  for row in rows:
    line = [row.name, f"{row.trained:,}"]
    line += [format(row.scores[k], form) if k in row.scores else "-" for k, _, form in keys]
    line += [f"{row.scores[k] - row.base.get(k, rows[0].base[k]):+.3f}" for k in measured]
    lines.append([*line, f"{row.tokens_per_second:,.0f}", row.memory])
  return markdown([*header, "tokens/s", "memory while training"], lines)


def report(rows: Sequence[Row], folder: Path) -> None:
  """Prints the table and writes it: adapters.md."""
  text = table(rows)
  print(text, flush=True)
  storage.write_text(folder / "adapters.md", text + "\n")
