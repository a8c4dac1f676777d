"""Fine-tunes a model: python scripts/train.py --config=configs/sft.py --workdir=runs/mine
[--config.KEY=VALUE ...]

Run the same command again to go on from the last checkpoint. On several hosts run it on each of them
(docs/tpu.md).
"""

from pathlib import Path

from absl import flags

from ftjax import cli

_CONFIG = cli.define_config("configs/sft.py")
_WORKDIR = flags.DEFINE_string(
  "workdir", None, "The run's folder; made if it is not there.", required=True
)
cli.define_processes()


def main() -> int:
  from ftjax.finetuning import finetune
  from ftjax.train.stopping import Diverged

  try:
    result = finetune(_CONFIG.value, _WORKDIR.value)
  except Diverged as e:
    raise cli.Failure(str(e), cli.DIVERGED) from e
  if result.reason in ("done", "early"):
    return 0
  return cli.fail(
    f"{result.reason}: stopped at step {result.step} with a checkpoint saved. The same command goes on from there.",
    cli.STOPPED,
  )


def saved() -> str:
  folder = Path(_WORKDIR.value) / "checkpoints"
  steps = [int(p.name) for p in folder.glob("*") if p.name.isdecimal()]
  return (
    f"stopped; step {max(steps)} is saved. The same command goes on from there." if steps else ""
  )


if __name__ == "__main__":
  cli.run(main, torch=False, saved=saved)
