"""Prepares a dataset: python scripts/prepare_data.py --config.sources=articles/ --config.output=prepared

--update adds what is new to the newest version (--update=VERSION: to that one), --diff A B compares
two, --replay VERSION builds one again, --list names them, --validate FILE [--fix OUT] checks a file.
Every key: ftjax/data/defaults.py.
"""

import sys

from absl import flags

from ftjax import cli
from ftjax.data.curate import commands

_CONFIG = cli.define_config("configs/data/default.py")
_UPDATE = flags.DEFINE_string("update", None, "The version to add to: a hash, a folder, LATEST.")
_PRUNE = flags.DEFINE_bool("prune", False, "With --update: rows that no source gives now go.")
_REPLAY = flags.DEFINE_string("replay", None, "A version to build again, to the same hash.")
_DIFF = flags.DEFINE_list("diff", None, "Two versions to compare.")
_LIST = flags.DEFINE_bool("list", False, "Name the versions in --config.output.")
_VALIDATE = flags.DEFINE_string("validate", None, "A JSONL file to check for fine-tuning.")
_FIX = flags.DEFINE_string("fix", None, "With --validate: where to write the mended rows.")


def main() -> int | None:
  from ftjax import preparation
  from ftjax.data.curate.progress import Said

  config, said = _CONFIG.value, Said()
  if _VALIDATE.value:
    return commands.validate(_VALIDATE.value, _FIX.value, config.run.max_line)
  if _LIST.value:
    return commands.list_versions(config.output)
  if _DIFF.value:
    return commands.show(preparation.diff(*commands.two(_DIFF.value), config.output))
  commands.check(_UPDATE.value, _PRUNE.value, _FIX.value)
  try:
    if _REPLAY.value:
      version = preparation.replay(_REPLAY.value, config, config.output, said)
    elif _UPDATE.value:
      version = preparation.update(config, _UPDATE.value, _PRUNE.value, said)
    else:
      version = preparation.prepare(config, said)
  except preparation.Stopped as e:
    return cli.fail(
      f"{e}: stopped; the same command goes on from the finished chunks.", cli.STOPPED
    )
  return commands.finished(version)


if __name__ == "__main__":
  sys.argv[1:] = commands.arguments(sys.argv[1:])
  cli.run(main)
