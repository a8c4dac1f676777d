"""Makes the starter model anew: python scripts/make_starter.py --workdir=runs/starter

Text, tokenizer, random weights, training, and the copy in ftjax/assets/starter, all from this
repository alone.
"""

from pathlib import Path

from absl import flags

from ftjax import cli

_CONFIG = cli.define_config("configs/starter.py")
_WORKDIR = flags.DEFINE_string("workdir", "runs/starter", "Where the text and the run are kept.")
_DOCUMENTS = flags.DEFINE_integer(
  "documents", 130_000, "Documents to write and train on, about 100 tokens each."
)
_OUTPUT = flags.DEFINE_string("output", "ftjax/assets/starter", "Where the model goes.")


def main() -> int:
  from ftjax.finetuning import finetune
  from ftjax.research.starter import build

  workdir, config = Path(_WORKDIR.value), _CONFIG.value
  train, validation = build.write_texts(workdir / "text", _DOCUMENTS.value)
  if not (workdir / "random").is_dir():
    build.random_model(workdir / "random")
  config.model.source = str(workdir / "random")
  config.data.train, config.data.validation = str(train), str(validation)
  result = finetune(config, workdir / "run")
  if result.reason not in ("done", "early"):
    return cli.fail(
      f"{result.reason}: the same command goes on from step {result.step}.", cli.STOPPED
    )
  build.publish(workdir / "run" / "best", Path(_OUTPUT.value))
  return 0


if __name__ == "__main__":
  cli.run(main)
