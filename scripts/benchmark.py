"""Times a training step: python scripts/benchmark.py --mode=full --batch=4 --length=512
[--against=trl] [--json]

Without --model: a random Llama of 56M parameters. --against=trl (pip install -e '.[bench]') runs
TRL's step on the same model, data and dtype in turn, with glibc's allocator tuned for it, and
prints the ratios.
"""

import json
import tempfile
from pathlib import Path

from absl import flags

from ftjax import cli

_MODE = flags.DEFINE_enum("mode", "full", ["full", "lora"], "What is trained.")
_MODEL = flags.DEFINE_string("model", "", "A folder in Hugging Face format.")
_DTYPE = flags.DEFINE_enum("dtype", "float32", ["float32", "bfloat16"], "Of the computation.")
_BATCH = flags.DEFINE_integer("batch", 4, "Rows.", lower_bound=1)
_LENGTH = flags.DEFINE_integer("length", 512, "Tokens in a row.", lower_bound=2)
_STEPS = flags.DEFINE_integer("steps", 8, "Steps that count.", lower_bound=1)
_AGAINST = flags.DEFINE_enum("against", None, ["trl"], "A peer to compare with.")
_JSON = flags.DEFINE_bool("json", False, "Print one line of JSON.")


def main() -> None:
  from ftjax.research import benchmark

  with tempfile.TemporaryDirectory() as scratch:
    folder = (
      Path(_MODEL.value) if _MODEL.value else benchmark.random_llama(Path(scratch) / "llama-56m")
    )
    options = dict(
      mode=_MODE.value,
      dtype=_DTYPE.value,
      batch=_BATCH.value,
      length=_LENGTH.value,
      steps=_STEPS.value,
    )
    found = {"ftjax": benchmark.train_step_time(folder, **options)}
    if _AGAINST.value:
      found["trl"] = benchmark.trl_step_time(folder, **options)
      found["ratio"] = {k: found["ftjax"][k] / found["trl"][k] for k in found["trl"]}
  if _JSON.value:
    print(json.dumps(found if _AGAINST.value else found["ftjax"]))
    return
  for name, numbers in found.items():
    print(name, "  ".join(f"{key} {value:,.4g}" for key, value in numbers.items()))


if __name__ == "__main__":
  cli.run(main)
