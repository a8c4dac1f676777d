"""After training: the losses along the way from the base to the tuned model, and the best point on
it."""

import math
from collections.abc import Callable
from pathlib import Path

import jax

from ftjax import storage
from ftjax.log import say, skip_on_error
from ftjax.research import plots
from ftjax.research.tables import markdown
from ftjax.train.interpolate import between
from ftjax.train.state import Variables
from ftjax.train.stopping import Objective

COLUMNS = ("alpha", "validation/loss", "general/loss", "objective")


def choose(
  start: Variables,
  tuned: Variables,
  judge: Callable[[Variables], dict[str, float]],
  objective: Objective,
  steps: int,
  workdir: Path,
) -> tuple[Variables, dict[str, float], list[dict[str, float]]]:
  """(the trainable collections at the best point, its metrics, those of all points), where a point's
  metrics are what `judge` says of it, "alpha" and "objective".

  Writes interpolation.md and interpolation.png. Of equal points the one nearer the base is best.
  """
  at = between(start, tuned)
  say(f"Judging {steps + 1} models from the base (alpha 0) to the tuned one (alpha 1) ...")
  points = []
  for i in range(steps + 1):
    found = judge(at(i / steps))
    points.append({"alpha": i / steps, **found, "objective": objective(found)})
  best = min(points, key=lambda p: (not math.isfinite(p["objective"]), p["objective"]))
  if jax.process_index() == 0:
    with skip_on_error("Drawing train.interpolate's points", "evaluation.json has them."):
      storage.write_text(workdir / "interpolation.md", table(points, best))
      plots.save_interpolation(workdir, points, best)
  return at(best["alpha"]), best, points


def table(points: list[dict[str, float]], best: dict[str, float]) -> str:
  """The points in Markdown, the best in bold."""
  keys = [k for k in COLUMNS if k in points[0]]
  bold = lambda text, p: f"**{text}**" if p is best else text
  rows = [[bold(f"{p[k]:g}" if k == "alpha" else f"{p[k]:.4f}", p) for k in keys] for p in points]
  return markdown([k.replace("/", " ") for k in keys], rows) + "\n"
