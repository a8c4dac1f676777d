"""Times a training step: python scripts/benchmark.py --mode=full --batch=4 --length=512
[--against=trl] [--json]; or loading: python scripts/benchmark.py --mode=load --against=transformers

Without --model: a random Llama of 56M parameters, or of 1 GB for loading. A peer (pip install -e
'.[bench]') runs in turn on the same model, and ratios are printed: TRL's step with the same data
and dtype and glibc's allocator tuned for it, or from_pretrained.
"""

import json
import tempfile
from pathlib import Path

from absl import flags

from ftjax import cli

_MODE = flags.DEFINE_enum("mode", "full", ["full", "lora", "load"], "What is trained; or load.")
_MODEL = flags.DEFINE_string("model", "", "A folder in Hugging Face format.")
_DTYPE = flags.DEFINE_enum("dtype", "float32", ["float32", "bfloat16"], "Of the computation.")
_BATCH = flags.DEFINE_integer("batch", 4, "Rows.", lower_bound=1)
_LENGTH = flags.DEFINE_integer("length", 512, "Tokens in a row.", lower_bound=2)
_STEPS = flags.DEFINE_integer("steps", 8, "Steps (or loads) that count.", lower_bound=1)
_AGAINST = flags.DEFINE_enum("against", None, ["trl", "transformers"], "A peer to compare with.")
_JSON = flags.DEFINE_bool("json", False, "Print one line of JSON.")


def main() -> None:
  found = loads() if _MODE.value == "load" else steps()
  if _JSON.value:
    print(json.dumps(found if _AGAINST.value else found["ftjax"]))
    return
  for name, numbers in found.items():
    print(name, "  ".join(f"{key} {value:,.4g}" for key, value in numbers.items()))


def steps() -> dict:
  from ftjax.research import benchmark

  names = "mode", "dtype", "batch", "length", "steps"
  options = {name: flags.FLAGS[name].value for name in names}
  with tempfile.TemporaryDirectory() as scratch:
    folder = Path(_MODEL.value or benchmark.random_llama(Path(scratch) / "llama-56m"))
    found = {"ftjax": benchmark.train_step_time(folder, **options)}
    if _AGAINST.value == "trl":
      found["trl"] = benchmark.trl_step_time(folder, **options)
      found["ratio"] = {k: found["ftjax"][k] / found["trl"][k] for k in found["trl"]}
  return found


def loads() -> dict:
  from ftjax.research import benchmark_load

  return benchmark_load.compare(_MODEL.value, _STEPS.value, _AGAINST.value == "transformers")


if __name__ == "__main__":
  cli.run(main)
