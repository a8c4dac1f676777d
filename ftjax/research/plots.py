"""Pictures of a run, drawn from its metrics.jsonl."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ftjax import storage
from ftjax.log import METRICS, read

TRAINING, VALIDATION, GENERAL = "#9db4c0", "#1b4965", "#c1666b"


def loss_figure(workdir: str | Path):
  """A matplotlib Figure: training and validation loss over updates, with the step that became best/
  marked; and the loss on general text beside the base's, where it was measured."""
  from matplotlib.figure import Figure  # No pyplot: no global state, no window.

  lines = read(Path(workdir) / METRICS)
  pick = lambda key: [(m["step"], m[key]) for m in lines if math.isfinite(m.get(key, math.nan))]
  figure = Figure(figsize=(8, 4.5), layout="constrained")
  axes = figure.add_subplot()
  train, validation, general = map(pick, ("train/loss", "validation/loss", "general/loss"))
  if train:
    axes.plot(*zip(*train, strict=True), color=TRAINING, linewidth=1.5, label="training")
  if general:
    step, base = general[0]
    axes.axhline(base, color=GENERAL, linestyle=":", linewidth=1, label="general text, base")
    axes.plot(
      *zip(*general, strict=True), color=GENERAL, marker="s", markersize=5, linewidth=2,
      label="general text",
    )  # fmt: skip
  if validation:
    axes.plot(
      *zip(*validation, strict=True), color=VALIDATION, marker="o", linewidth=2, label="validation"
    )
    step, loss = min(validation, key=lambda at: at[1])
    axes.annotate(
      f"lowest: {loss:.3f} at step {step}", (step, loss), xytext=(0, 24), textcoords="offset points",
      ha="right" if step > validation[-1][0] / 2 else "left", arrowprops={"arrowstyle": "-", "color": "#555555"},
    )  # fmt: skip
  dress(axes, "update", "loss (nats per token)")
  axes.xaxis.get_major_locator().set_params(integer=True)
  if axes.lines:
    above(figure)
  return figure


def interpolation_figure(points: Sequence[Mapping[str, float]], best: Mapping[str, float]):
  """Both losses over alpha, 0 = the base and 1 = the tuned model, with the chosen point marked."""
  from matplotlib.figure import Figure

  figure = Figure(figsize=(8, 4.5), layout="constrained")
  axes = figure.add_subplot()
  looks = {"validation": (VALIDATION, "o"), "general": (GENERAL, "s")}
  for name, (color, marker) in looks.items():
    key = f"{name}/loss"
    if key in points[0]:
      label = "general text" if name == "general" else name
      axes.plot(
        [p["alpha"] for p in points], [p[key] for p in points], color=color, marker=marker, linewidth=2, label=label
      )  # fmt: skip
  axes.axvline(best["alpha"], color="#555555", linestyle="--", linewidth=1)
  axes.annotate(
    f"chosen: {best['alpha']:g}", (best["alpha"], 0.9), xycoords=("data", "axes fraction"),
    xytext=(-6, 0), textcoords="offset points", ha="right",
  )  # fmt: skip
  dress(axes, "alpha: from the base (0) to the tuned model (1)", "loss (nats per token)")
  above(figure)
  return figure


def dress(axes, x: str, y: str) -> None:
  """Labels, a light grid, and no box."""
  axes.set_xlabel(x)
  axes.set_ylabel(y)
  axes.grid(alpha=0.25)
  axes.spines[["top", "right"]].set_visible(False)


def above(figure) -> None:
  """The legend over the axes, where it hides no curve."""
  figure.legend(frameon=False, loc="outside upper right", ncols=4)


def save_interpolation(
  workdir: str | Path, points: Sequence[Mapping[str, float]], best: Mapping[str, float]
) -> Path:
  """Writes workdir/interpolation.png and returns its path."""
  return save(interpolation_figure(points, best), Path(workdir) / "interpolation.png")


def save(figure, path: Path) -> Path:
  """A figure as a PNG, whole or not at all."""
  with storage.atomic_path(path) as temporary:
    figure.savefig(temporary, dpi=120, format="png")
  return path


def save_loss(workdir: str | Path, folder: str | Path | None = None) -> Path:
  """Writes loss.png into the folder (default: the run's own) and returns its path."""
  return save(loss_figure(workdir), Path(folder or workdir) / "loss.png")
