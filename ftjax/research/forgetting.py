"""What each remedy against forgetting costs and gives: one run a row, a table, and a picture.

Of general text written by the base itself (`write_texts`), half is measured and half may be replayed; a
second set, if there is one, is measured alone.
"""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ftjax import storage
from ftjax.config import InputError
from ftjax.log import METRICS, read, say
from ftjax.research import plots, runs
from ftjax.research.tables import markdown

REMEDIES: dict[str, dict[str, str]] = {
  "none": {},
  "replay 10%": {"train.replay": "0.1"},
  "replay 10% and KL 1 on it": {"train.replay": "0.1", "train.kl": "1"},
  "KL 0.3 on the trained tokens": {"train.kl": "0.3"},
  "replay 30%": {"train.replay": "0.3"},
  "L2-SP 1": {"optim.l2sp": "1"},
  "EMA 0.98": {"optim.ema": "0.98"},
  "a quarter of the learning rate": {"optim.learning_rate": "{rate/4}"},
  "NEFTune 5": {"train.neftune": "5"},
  "label smoothing 0.1": {"train.label_smoothing": "0.1"},
}
LEAST = 80  # per cent of the gain: the picture does not begin at the base
EVERY = {"train.interpolate": "10", "eval.objective": "loss + 0.5 general"}


@dataclass(frozen=True)
class Row:
  """A remedy's run: losses in nats per token ("loss" on the target, "general", "other") of the base,
  of the tuned model, and of the point between them that eval.objective chose.

  speed: the median of the training's tokens a second. path: the losses of all points between them.
  """

  name: str
  updates: int
  speed: float
  base: Mapping[str, float]
  tuned: Mapping[str, float]
  alpha: float
  chosen: Mapping[str, float]
  path: Sequence[Mapping[str, float]] = ()

  def change(self, key: str, of: Mapping[str, float] | None = None) -> float:
    """How much higher than the base's a loss is: the tuned model's, or that of `of`."""
    return (of or self.tuned)[key] - self.base[key]


def write_texts(model, path: str | Path, count: int, max_new_tokens: int, seed: int = 0) -> int:
  """Writes `count` texts that the model (language_model.load) draws at temperature 1 from nothing, as
  JSON lines of {"text": ...}. A text ends at an end of text, or where another one begins, as in models
  that were pretrained without ends. Those that do not end are left out; returns how many are left."""
  from ftjax.generate.generator import Generator
  from ftjax.generate.sampling import Sampling

  begin = model.tokenizer.bos_token_id
  ends = {*model.stop_ids, begin} - {None}
  generator = Generator(
    model.config, model.variables, model.tokenizer, dtype=model.dtype, stop_ids=tuple(sorted(ends))
  )
  drawn = generator.generate(
    [""] * count, max_new_tokens=max_new_tokens, sampling=Sampling(1.0), seed=seed, batch_size=256
  )
  texts = [c.text.strip() for c in drawn if c.finished and c.text.strip()]
  lines = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
  storage.write_text(path, "".join(lines))
  return len(texts)


def run_row(
  name: str, flags: Sequence[str], folder: Path, other: str = "", rate: float = 2e-5
) -> Row:
  """Trains with a remedy, or takes the run that is there; measures what it wrote on `other` as well.

  flags: of scripts/train.py, for all rows alike. rate: the learning rate that they set.
  """
  workdir = folder / "".join(c if c.isalnum() else "_" for c in name)
  value = lambda text: text.replace("{rate/4}", f"{rate / 4:g}")
  given = lambda some: [f"--config.{key}={value(text)}" for key, text in some.items()]
  if not (workdir / "final").is_dir():
    runs.call("train.py", [f"--workdir={workdir}", *given(EVERY), *flags, *given(REMEDIES[name])])
  found = runs.scores(workdir)
  if "interpolation" not in found:
    raise InputError(f"{workdir}: no evaluation was better than the base's; nothing to compare.")
  alpha = found["interpolation"]["alpha"]
  path = [
    {"alpha": p["alpha"], "loss": p["validation/loss"], "general": p["general/loss"]}
    for p in found["interpolation"]["points"]
  ]
  base, chosen, tuned = path[0], next(p for p in path if p["alpha"] == alpha), path[-1]
  if other:  # final/ is the tuned model, best/ the chosen point
    at = {part: runs.scores_on(other, workdir, part) for part in ("final", "best")}
    base = base | {"other": at["best"]["base"]["general_loss"]}
    chosen = chosen | {"other": at["best"]["tuned"]["general_loss"]}
    tuned = tuned | {"other": at["final"]["tuned"]["general_loss"]}
  lines = read(workdir / METRICS)
  speeds = [m["train/tokens_per_second"] for m in lines if m.get("train/tokens_per_second")]
  speed = statistics.median(speeds[1:] or speeds)  # the first line's update waited for much
  return Row(name, max(m["step"] for m in lines), speed, base, tuned, alpha, chosen, path)


def table(rows: Sequence[Row]) -> str:
  """Markdown: what each run keeps of the first one's gain on the target, and how much of its rise on
  general text is left; at its end, and at the point that was chosen."""
  first = rows[0]
  kinds = [k for k in ("general", "other") if k in first.tuned]
  share = lambda row, key, of: f"{row.change(key, of) / first.change(key):.0%}"
  gain = lambda row, of: f"{row.change('loss', of) / first.change('loss'):.1%}"
  header = ["remedy", "updates", "tokens/s", "loss", "gain kept"]
  header += [x for k in kinds for x in (f"{k} loss", "of the rise")]
  header += ["alpha", "gain kept", *(f"of the {k} rise" for k in kinds)]
  lines = [["(the base)", "0", "", f"{first.base['loss']:.3f}", ""]]
  lines[0] += [x for k in kinds for x in (f"{first.base[k]:.3f}", "")]
  lines[0] += [""] * (2 + len(kinds))
  for row in rows:
    line = [
      row.name,
      f"{row.updates:,}",
      f"{row.speed / first.speed:.0%}",
      f"{row.tuned['loss']:.3f}",
      gain(row, row.tuned),
    ]
    line += [x for k in kinds for x in (f"{row.tuned[k]:.3f}", share(row, k, row.tuned))]
    line += [f"{row.alpha:g}", gain(row, row.chosen), *(share(row, k, row.chosen) for k in kinds)]
    lines.append(line)
  return markdown(header, lines)


def figure(rows: Sequence[Row]):
  """Every run by what it keeps of the gain and what is left of the rise on general text, with the
  way from the base to it; the corner that keeps 95% of the gain at half of the rise is shaded."""
  from matplotlib import colormaps
  from matplotlib.figure import Figure

  drawing = Figure(figsize=(9, 5.5), layout="constrained")
  axes = drawing.add_subplot()
  first = rows[0]
  x = lambda row, of: 100 * row.change("loss", of) / first.change("loss")
  y = lambda row, of: row.change("general", of)
  for i, row in enumerate(rows):
    color = colormaps["tab10"](i % 10)
    way = [p for p in row.path if x(row, p) >= LEAST]
    axes.plot(
      [x(row, p) for p in way], [y(row, p) for p in way], color=color, linewidth=1, alpha=0.5
    )
    axes.scatter([x(row, row.tuned)], [y(row, row.tuned)], color=[color], zorder=3, label=row.name)
    axes.scatter(
      [x(row, row.chosen)], [y(row, row.chosen)], color=[color], marker="D", s=18, zorder=3
    )
  axes.fill_between(
    [95, axes.get_xlim()[1]], axes.get_ylim()[0], y(first, first.tuned) / 2, color="#e3f0e8", zorder=0,
    label="95% of the gain, half of the rise",
  )  # fmt: skip
  axes.axhline(0, color=plots.GENERAL, linestyle=":", linewidth=1, label="the base")
  plots.dress(
    axes, "gain on the target kept (%)", "rise of the loss on general text (nats per token)"
  )
  axes.set_title(
    "dots: the tuned models; diamonds: the points chosen between base and tuned", fontsize=9
  )
  drawing.legend(frameon=False, loc="outside right upper", fontsize=8)
  return drawing


def report(rows: Sequence[Row], folder: Path) -> None:
  """Prints the table and writes it with the picture: forgetting.md and forgetting.png."""
  text = table(rows)
  print(text, flush=True)
  storage.write_text(folder / "forgetting.md", text + "\n")
  plots.save(figure(rows), folder / "forgetting.png")
  say(f"Written: {folder / 'forgetting.md'}   {folder / 'forgetting.png'}")
