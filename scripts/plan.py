"""Says whether a run fits a machine before it is rented: python scripts/plan.py
--config=configs/lora.py --topology=v5e:2x2 --config.model.source=llama-3.1-8b [--json] [--search]

The step is compiled for the TPU, which need not be here (pip install -e '.[plan]'). A folder with a
config.json is a model enough, and so are the names in ftjax/models/shapes.py. See docs/planning.md.
"""

import dataclasses
import json
import os
import sys

from absl import flags

from ftjax import cli

_CONFIG = cli.define_config("configs/lora.py")
_TOPOLOGY = flags.DEFINE_string(
  "topology", None, "A TPU slice (v5e:2x2), cpu:1, or GPUs (h100:8).", required=True
)
_JSON = flags.DEFINE_bool("json", False, "Print one line of JSON.")
_SEARCH = flags.DEFINE_bool("search", False, "Look for the fastest plan and the smallest slice.")


def main() -> None:
  os.environ["JAX_PLATFORMS"] = "cpu"  # No device is touched, and a TPU that is here stays free.
  kind, _, count = _TOPOLOGY.value.partition(":")
  if kind == "cpu" and count.isdigit():
    force = f" --xla_force_host_platform_device_count={count}"
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + force
  from ftjax import planning, searching
  from ftjax.research.plan import table

  config = _CONFIG.value
  if _SEARCH.value:
    say = lambda text: print(text, file=sys.stderr, flush=True)
    found = searching.search(config, _TOPOLOGY.value, say)
    return print(json.dumps(dataclasses.asdict(found)) if _JSON.value else "\n".join(found.lines()))
  found = planning.plan(config, _TOPOLOGY.value)
  if _JSON.value:
    return print(json.dumps(dataclasses.asdict(found)))
  print("\n".join(table.lines(found, config.model.source)))


if __name__ == "__main__":
  cli.run(main)
