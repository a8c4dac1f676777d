"""What the scripts share: flags, configs, and how a run ends for the shell.

Exit status: 0 done; 2 bad config or input, said in one message; 3 stopped by a signal with a checkpoint saved;
4 diverged.
"""

import re
import sys
from collections.abc import Callable

from absl import app, flags
from ml_collections import config_flags

from ftjax.config import InputError
from ftjax.plugin import did_you_mean

BAD_INPUT, STOPPED, DIVERGED = 2, 3, 4


def define_config(default: str | None = None):
  """--config=FILE.py, with --config.key=value for any key of it."""
  return config_flags.DEFINE_config_file(
    "config", default, "A file with get_config(); override any key with --config.KEY=VALUE.", lock_config=True
  )


def run(main: Callable[[], int | None]) -> None:
  """Parses the flags and calls main; ends the process with its return value, or 2 with one message for bad input."""

  def guarded(argv) -> int | None:
    if len(argv) > 1:
      return fail(f"Unknown argument {argv[1]!r}: flags start with --.")
    try:
      return main()
    except InputError as e:
      return fail(str(e))

  flags.FLAGS.set_default("verbosity", -1)  # Libraries' notices (Orbax writes dozens a checkpoint) stay out.
  app.run(guarded, flags_parser=_parse)


def fail(message: str, status: int = BAD_INPUT) -> int:
  """Prints one message to stderr; returns the exit status."""
  print(f"error: {message}", file=sys.stderr, flush=True)
  return status


def _parse(argv):
  try:
    return app.parse_flags_with_usage(argv) if "--help" in argv or "--helpfull" in argv else flags.FLAGS(argv)
  except AttributeError as e:
    sys.exit(fail(_unknown_key(e)))
  except (flags.Error, InputError, TypeError, ValueError, KeyError) as e:
    sys.exit(fail(re.sub(r"\s+", " ", str(e)).strip()))
  except (FileNotFoundError, ImportError) as e:
    sys.exit(fail(f"--config: {e}. Give a Python file with get_config(), such as configs/sft.py."))


def _unknown_key(error: AttributeError) -> str:
  """ml_collections' message in one line; it suggests a key where one is close."""
  text = re.sub(r"\s+", " ", str(error)).strip()
  name = re.search(r"\"([^\"]+)\"|'([^']+)'", text)
  if "Did you mean" in text or not name:
    return f"--config: {text}"
  from ftjax.config import flat
  from ftjax.defaults import get_config

  known = {key.rsplit(".", 1)[-1] for key in flat(get_config())}
  return f"--config: {text}{did_you_mean(name[1] or name[2], known)}"
