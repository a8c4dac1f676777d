"""Times training steps: python scripts/benchmark.py --mode=full --batch=4 [--against=trl] [--json]
generation and loading: --mode=generate or load, --against=transformers; near duplicates: dedup,
datasketch. Without --model: a random Llama of 56M parameters, or of 1 GB for loading. A peer
(.[bench]) runs in turn on the same input, in a process of its own, glibc's allocator tuned. --suite
prints docs/performance.md's whole table, --scaling what doubling costs.
"""

import json

from absl import flags

from ftjax import cli
from ftjax.research import tables

_PEERS = ["trl", "trl-packing", "trl-default", "trl-default-packing", "tunix"]
_MODE = flags.DEFINE_enum("mode", "full", ["full", "lora", "generate", "load", "dedup"], "What.")
_MODEL = flags.DEFINE_string("model", "", "A folder, or a shape by name (random weights).")
flags.DEFINE_enum("dtype", "float32", ["float32", "bfloat16"], "Of the computation.")
flags.DEFINE_integer("batch", 4, "Rows.", lower_bound=1)
flags.DEFINE_integer("length", 512, "Tokens in a row; to generate: in a prompt.", lower_bound=2)
flags.DEFINE_integer("new", 128, "Tokens to generate.", lower_bound=1)
flags.DEFINE_enum("rows", "full", ["full", "uneven"], "Uneven: as rows of E2E, partly trained.")
_STEPS = flags.DEFINE_integer("steps", 8, "Steps, loads or turns that count.", lower_bound=1)
flags.DEFINE_float("seconds", 60, "Stop counting steps after so long (two at least count).")
_PEER = flags.DEFINE_enum("against", None, [*_PEERS, "transformers", "datasketch"], "A peer.")
_PYTHON = flags.DEFINE_string("peer_python", "", "The interpreter that the peer is installed for.")
_ROWS = flags.DEFINE_list("documents", ["20000", "60000", "200000"], "Of the corpora for dedup.")
_SUITE = flags.DEFINE_string("suite", "", "A folder for the suite's results, row by row.")
_ONLY = flags.DEFINE_list("only", [], "Of the suite: these rows, by the beginnings of their names.")
_SCALING = flags.DEFINE_bool("scaling", False, "What doubling model, batch, length, depth costs.")
_QUANTIZE = flags.DEFINE_string("quantize", "", "A format to load in: int8, int4 or nf4.")
_JSON = flags.DEFINE_bool("json", False, "Print one line of JSON.")


def main() -> None:
  if _SUITE.value or _SCALING.value:
    from ftjax.research import benchmark_suite as b

    return b.suite(_SUITE.value, _ONLY.value, _PYTHON.value) if _SUITE.value else b.scaling()
  if _MODE.value == "load":
    from ftjax.research import benchmark_load as b

    found = b.compare(_MODEL.value, _STEPS.value, _PEER.value == "transformers", _QUANTIZE.value)
  elif _MODE.value == "dedup":
    from ftjax.research import benchmark_dedup as b

    found = b.compare(map(int, _ROWS.value), _STEPS.value, _PEER.value == "datasketch")
  else:
    from ftjax.research import benchmark as b

    names = ("mode", "model", "dtype", "batch", "length", "new", "rows", "steps", "seconds")
    options = {n: flags.FLAGS[n].value for n in names}
    found = b.turns(_PEER.value, python=_PYTHON.value, **options)
  if _JSON.value:
    return print(json.dumps(found if _PEER.value else found.get("ftjax", found)))
  print(tables.aligned(found))


if __name__ == "__main__":
  cli.run(main)
