"""Pictures of a run, drawn from its metrics.jsonl."""

from pathlib import Path

from ftjax import storage
from ftjax.log import METRICS, read


def loss_figure(workdir: str | Path):
  """A matplotlib Figure: training and validation loss over updates, with the best step marked."""
  from matplotlib.figure import Figure  # No pyplot: no global state, no window.

  lines = read(Path(workdir) / METRICS)
  pick = lambda key: [(m["step"], m[key]) for m in lines if isinstance(m.get(key), float)]
  figure = Figure(figsize=(8, 4.5), layout="constrained")
  axes = figure.add_subplot()
  train, validation = pick("train/loss"), pick("validation/loss")
  if train:
    axes.plot(*zip(*train, strict=True), color="#9db4c0", linewidth=1.5, label="training")
  if validation:
    axes.plot(
      *zip(*validation, strict=True), color="#1b4965", marker="o", linewidth=2, label="validation"
    )
    step, loss = min(validation, key=lambda at: at[1])
    axes.annotate(
      f"best: {loss:.3f} at step {step}", (step, loss), xytext=(0, 24), textcoords="offset points",
      ha="right" if step > train[-1][0] / 2 else "left", arrowprops={"arrowstyle": "-", "color": "#555555"},
    )  # fmt: skip
  axes.set_xlabel("update")
  axes.set_ylabel("loss (nats per token)")
  axes.grid(alpha=0.25)
  axes.spines[["top", "right"]].set_visible(False)
  axes.legend(frameon=False, loc="upper right")
  return figure


def save_loss(workdir: str | Path) -> Path:
  """Writes workdir/loss.png and returns its path."""
  path = Path(workdir) / "loss.png"
  with storage.atomic_path(path) as temporary:
    loss_figure(workdir).savefig(temporary, dpi=120, format="png")
  return path
