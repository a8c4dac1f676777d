"""What the tables of whole runs have in common: scripts as processes of their own, and one more text
that a run's models are measured on."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ftjax import log, storage
from ftjax.config import InputError

_SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def call(script: str, flags: Sequence[str], log: Path | None = None) -> None:
  """Runs a script. log: the file that what it says is written to, once it has ended; None = it says it
  on the terminal. Raises InputError with the command where it ends badly."""
  command = [sys.executable, str(_SCRIPTS / script), *flags]
  done = subprocess.run(command, check=False, capture_output=log is not None, text=True)
  if done.returncode:
    said = f"\n{done.stderr[-2000:]}" if log else ""
    raise InputError(f"A run of the table ended badly: {script} {' '.join(flags)}{said}")
  if log:
    storage.write_text(log, done.stdout + done.stderr)


def scores(workdir: Path) -> dict[str, dict[str, float]]:
  """What a run says of itself at its end. Raises InputError where that could not be written."""
  path = workdir / "evaluation.json"
  if not path.is_file():
    raise InputError(f"{workdir} has models and no {path.name}. Remove it to train it again.")
  return log.scores(path)


def scores_on(
  text: str, workdir: Path, part: str, base: bool = True
) -> dict[str, dict[str, float]]:
  """{"base": ..., "tuned": ...} of scripts/evaluate.py with `text` as the general text, for one of a
  run's models ("best", "final"); measured once. base: False leaves the base out."""
  output = workdir / f"other_{part}"
  if not (output / "evaluation.json").is_file():
    call("evaluate.py", [
      f"--config.source={workdir / part}", f"--config.general={text}", "--config.samples=0",
      "--config.metrics=('perplexity',)", f"--config.output={output}", *([] if base else ["--config.base="]),
    ])  # fmt: skip
  return log.scores(output / "evaluation.json")
