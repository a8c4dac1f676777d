"""What each remedy against forgetting costs and gives: one run a row, a table, and a picture.

Of general text written by the base itself (`write_texts`), half is measured and half may be replayed; a
second set, if there is one, is measured alone.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ftjax import storage
from ftjax.config import InputError
from ftjax.log import METRICS, read, say
from ftjax.research import plots
from ftjax.research.tables import markdown

REMEDIES: dict[str, dict[str, str]] = {
  "none": {},
  "a quarter of the learning rate": {"optim.learning_rate": "{rate/4}"},
  "replay 10%": {"train.replay": "0.1"},
  "replay 30%": {"train.replay": "0.3"},
  "KL 0.3 on the trained tokens": {"train.kl": "0.3"},
  "replay 10%, KL 1 on it": {"train.replay": "0.1", "train.kl": "1"},
  "L2-SP 1": {"optim.l2sp": "1"},
  "EMA 0.98": {"optim.ema": "0.98"},
  "interpolation": {"train.interpolate": "10", "eval.objective": "loss + 0.5 general"},
  "replay 10% and interpolation": {
    "train.replay": "0.1", "train.interpolate": "10", "eval.objective": "loss + 0.5 general",
  },
  "NEFTune 5": {"train.neftune": "5"},
  "label smoothing 0.1": {"train.label_smoothing": "0.1"},
}  # fmt: skip


@dataclass(frozen=True)
class Row:
  """A remedy's run: losses in nats per token of the base and of best/."""

  name: str
  updates: int
  base: Mapping[str, float]
  tuned: Mapping[str, float]

  def change(self, key: str) -> float:
    """How much higher the tuned model's loss is."""
    return self.tuned[key] - self.base[key]


def write_texts(model, path: str | Path, count: int, max_new_tokens: int, seed: int = 0) -> int:
  """Writes `count` texts that the model (language_model.load) draws at temperature 1 from nothing, as
  JSON lines of {"text": ...}. Those that do not end by themselves are left out; returns how many
  are left."""
  from ftjax.generate.sampling import Sampling

  drawn = model.generator.generate(
    [""] * count, max_new_tokens=max_new_tokens, sampling=Sampling(1.0), seed=seed, batch_size=64
  )
  texts = [c.text.strip() for c in drawn if c.finished and c.text.strip()]
  lines = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
  storage.write_text(path, "".join(lines))
  return len(texts)


def run_row(
  name: str, flags: Sequence[str], folder: Path, other: str = "", rate: float = 2e-5
) -> Row:
  """Trains with a remedy, or takes the run that is there; measures best/ on `other` as well.

  flags: of scripts/train.py, for all rows alike. rate: the learning rate that they set.
  """
  scripts = Path(__file__).resolve().parents[2] / "scripts"
  workdir = folder / "".join(c if c.isalnum() else "_" for c in name)
  value = lambda text: text.replace("{rate/4}", f"{rate / 4:g}")
  mine = [f"--config.{key}={value(text)}" for key, text in REMEDIES[name].items()]
  if not (workdir / "final").is_dir():
    _call([scripts / "train.py", f"--workdir={workdir}", *flags, *mine])
  scores = json.loads((workdir / "evaluation.json").read_text())
  if other:
    output = workdir / "other"
    if not (output / "evaluation.json").is_file():
      _call([
        scripts / "evaluate.py", f"--config.source={workdir}", f"--config.general={other}", "--config.samples=0",
        f"--config.output={output}",
      ])  # fmt: skip
    found = json.loads((output / "evaluation.json").read_text())
    for model in ("base", "tuned"):
      scores[model]["other_loss"] = found[model]["general_loss"]
  updates = max(m["step"] for m in read(workdir / METRICS))
  return Row(name, updates, scores["base"], scores["tuned"])


def _call(command: Sequence[str | Path]) -> None:
  if subprocess.run([sys.executable, *map(str, command)], check=False).returncode:
    raise InputError(f"A run of the table ended badly: {' '.join(map(str, command))}")


def table(rows: Sequence[Row]) -> str:
  """Markdown: what is kept of the gain of the first row, and what of its rise on general text."""
  first, keys = rows[0], [("general_loss", "general")]
  keys += [("other_loss", "other")] if "other_loss" in first.tuned else []
  header = ["remedy", "updates", "validation loss", "gain kept"]
  for _, title in keys:
    header += [f"{title} loss", "rise", "of the first row's rise"]
  base = ["(the base)", "0", f"{first.base['loss']:.3f}", ""]
  base += [x for key, _ in keys for x in (f"{first.base[key]:.3f}", "", "")]
  lines = [base]
  for row in rows:
    line = [row.name, f"{row.updates:,}", f"{row.tuned['loss']:.3f}"]
    line.append(f"{row.change('loss') / first.change('loss'):.1%}")
    for key, _ in keys:
      rise = row.change(key)
      line += [f"{row.tuned[key]:.3f}", f"{rise:+.3f}", f"{rise / first.change(key):.0%}"]
    lines.append(line)
  return markdown(header, lines)


def figure(rows: Sequence[Row]):
  """Every remedy by what it keeps of the gain and how much general loss rises; the corner that keeps
  95% of the gain at half of the rise is shaded."""
  from matplotlib.figure import Figure

  drawing = Figure(figsize=(8, 5), layout="constrained")
  axes = drawing.add_subplot()
  first = rows[0]
  gains = [100 * row.change("loss") / first.change("loss") for row in rows]
  rises = [row.change("general_loss") for row in rows]
  axes.axvspan(95, max(101, *gains) + 1, ymax=1, color="none")
  axes.fill_between(
    [95, max(101, *gains) + 1], min(0, *rises) - 0.02, rises[0] / 2, color="#e3f0e8", zorder=0,
    label="95% of the gain, half of the rise",
  )  # fmt: skip
  axes.scatter(gains, rises, color=plots.VALIDATION, zorder=3)
  for row, x, y in zip(rows, gains, rises, strict=True):
    axes.annotate(
      row.name, (x, y), xytext=(-6, 5), textcoords="offset points", fontsize=8, ha="right"
    )
  axes.axhline(0, color=plots.GENERAL, linestyle=":", linewidth=1, label="the base")
  plots.dress(
    axes, "gain on the target kept (%)", "rise of the loss on general text (nats per token)"
  )
  axes.legend(frameon=False, loc="upper left")
  return drawing


def report(rows: Sequence[Row], folder: Path) -> None:
  """Prints the table and writes it with the picture: forgetting.md and forgetting.png."""
  text = table(rows)
  print(text, flush=True)
  storage.write_text(folder / "forgetting.md", text + "\n")
  plots.save(figure(rows), folder / "forgetting.png")
  say(f"Written: {folder / 'forgetting.md'}   {folder / 'forgetting.png'}")
