"""Times training steps: python scripts/benchmark.py --mode=full --batch=4 [--against=trl] [--json]
loading: --mode=load --against=transformers; near duplicates: --mode=dedup --against=datasketch
Without --model: a random Llama of 56M parameters, or of 1 GB for loading. A peer (.[bench]) runs in
turn on the same input: TRL's step (glibc's allocator tuned), from_pretrained, or MinHashLSH.
"""

import json
import tempfile
from pathlib import Path

from absl import flags

from ftjax import cli
from ftjax.research import tables

_MODE = flags.DEFINE_enum("mode", "full", ["full", "lora", "load", "dedup"], "What.")
_MODEL = flags.DEFINE_string("model", "", "A folder in Hugging Face format.")
flags.DEFINE_enum("dtype", "float32", ["float32", "bfloat16"], "Of the computation.")
flags.DEFINE_integer("batch", 4, "Rows.", lower_bound=1)
flags.DEFINE_integer("length", 512, "Tokens in a row.", lower_bound=2)
_STEPS = flags.DEFINE_integer("steps", 8, "Steps, loads or turns that count.", lower_bound=1)
_AGAINST = flags.DEFINE_enum("against", None, ["trl", "transformers", "datasketch"], "A peer.")
_ROWS = flags.DEFINE_list("documents", ["20000", "60000", "200000"], "Of the corpora for dedup.")
_JSON = flags.DEFINE_bool("json", False, "Print one line of JSON.")


def main() -> None:
  found = {"load": loads, "dedup": dedup}.get(_MODE.value, steps)()
  if _JSON.value:
    return print(json.dumps(found if _AGAINST.value else found.get("ftjax", found)))
  print(tables.aligned(found))


def steps() -> dict:
  from ftjax.research import benchmark

  options = {n: flags.FLAGS[n].value for n in ("mode", "dtype", "batch", "length", "steps")}
  with tempfile.TemporaryDirectory() as scratch:
    folder = Path(_MODEL.value or benchmark.random_llama(Path(scratch) / "llama-56m"))
    found = {"ftjax": benchmark.train_step_time(folder, **options)}
    if _AGAINST.value == "trl":
      found["trl"] = benchmark.trl_step_time(folder, **options)
      found["ratio"] = {k: found["ftjax"][k] / found["trl"][k] for k in found["trl"]}
  return found


def loads() -> dict:
  from ftjax.research import benchmark_load as b

  return b.compare(_MODEL.value, _STEPS.value, _AGAINST.value == "transformers")


def dedup() -> dict:
  from ftjax.research import benchmark_dedup as b

  return b.compare(map(int, _ROWS.value), _STEPS.value, _AGAINST.value == "datasketch")


if __name__ == "__main__":
  cli.run(main)
