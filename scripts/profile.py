"""Writes a trace of a config's training step and prints where its time goes:

  python scripts/profile.py --config=configs/starter.py --workdir=/tmp/trace

Open the folder in TensorBoard, or its perfetto_trace.json.gz in ui.perfetto.dev. The step is the one
that scripts/train.py runs, on rows of random tokens as long as data.max_length.
"""

import json
import os
from pathlib import Path


def main() -> None:
  from ftjax import profiled

  if not workdir.value:
    raise InputError("--workdir= names the folder that the trace goes to.")
  seconds, rows = profiled.step(config.value, Path(workdir.value))
  if as_json.value:
    keys = ("phase", "part", "seconds", "share")
    found = [dict(zip(keys, row, strict=True)) for row in rows]
    return print(json.dumps({"step_seconds": seconds, "parts": found}))
  print(f"step {seconds:.3f} s; trace in {workdir.value}\n")
  for phase, part, own, share in rows[: top.value]:
    print(f"{phase:<10}{part:<26}{own:>9.4f} s{share:>8.1%}")


if __name__ == "__main__":
  from absl import flags

  from ftjax import cli
  from ftjax.config import InputError

  config = cli.define_config("configs/starter.py")
  workdir = flags.DEFINE_string("workdir", "", "Where the trace goes.")
  top = flags.DEFINE_integer("top", 20, "Parts of the step to print.", lower_bound=1)
  as_json = flags.DEFINE_bool("json", False, "Print one line of JSON.")
  cli.run(main)
else:
  # This folder stands first in the path of its scripts, so that who imports the standard library's
  # `profile` (cProfile does, and PyTorch imports that) comes here.
  path = Path(os.__file__).with_name("profile.py")
  exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"))
