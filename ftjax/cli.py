"""What the scripts share: flags, configs, --help, and a main that ends with one message."""

import contextlib
import os
import re
import runpy
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def _began_here() -> bool:
  """Whether this process is one of the scripts, and not a worker of one or another program."""
  return Path(sys.argv[0]).resolve().parent == ROOT / "scripts" and sys.argv[0] in sys.orig_argv


if _began_here():  # What follows takes as long as a key that was pressed by mistake.
  signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))  # until `run`

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from ftjax import ending
from ftjax.config import flat
from ftjax.ending import BAD_INPUT, DIVERGED, STOPPED, Failure, fail

__all__ = [
  "BAD_INPUT", "DIVERGED", "STOPPED", "Failure", "define_config", "define_processes", "fail", "run",
]  # fmt: skip


def define_config(default: str):
  """--config=FILE.py, with --config.key=value for any key of it. default: a path from the
  repository's root."""
  _check_file()
  with (
    _bad_flags_end_here()
  ):  # ml_collections reads the command line here, not when flags are parsed.
    return config_flags.DEFINE_config_file(
      "config",
      str(ROOT / default),
      "A file with get_config(); any key is overridden by --config.KEY=VALUE.",
      lock_config=True,
    )


def _check_file() -> None:
  """Ends the process with one message and status 2 where the file that --config names fails or returns
  something else than a config: ml_collections tells that as an error of the flags beside it."""
  given = next((a.split("=", 1)[1] for a in sys.argv[1:] if re.match("--?config=", a)), "")
  path, _, argument = given.partition(":")
  if not Path(path).is_file():
    return
  try:
    make = runpy.run_path(path).get("get_config")
    found = make(*[argument] * bool(argument)) if callable(make) else None
  except Exception as e:
    lines = [f.lineno for f in traceback.extract_tb(e.__traceback__) if f.filename == path]
    what = e
    if isinstance(e, SyntaxError):
      what, lines = e.msg, [e.lineno]
    at = f", line {lines[-1]}" if lines and lines[-1] else ""
    sys.exit(fail(f"--config={given}{at}: {type(e).__name__}: {_one_line(what)}. Mend the file."))
  if not isinstance(found, ConfigDict):
    what = (
      f"its get_config() returns a {type(found).__name__}" if make else "it has no get_config()"
    )
    sys.exit(
      fail(
        f"--config={given}: {what}. It must have a get_config() that returns ftjax.defaults.get_config(), changed, "
        "as configs/sft.py does."
      )
    )


def define_processes() -> None:
  """--coordinator, --processes and --process, for runs of several processes that no cluster starts."""
  flags.DEFINE_string(
    "coordinator", None, "HOST:PORT of process 0, the same on all. Or JAX_COORDINATOR_ADDRESS."
  )
  flags.DEFINE_integer("processes", None, "How many there are. Or JAX_NUM_PROCESSES.")
  flags.DEFINE_integer("process", None, "Which one this is, from 0 on. Or JAX_PROCESS_ID.")
  flags.DEFINE_integer("join_seconds", 300, "How long to wait until all are there.", lower_bound=1)


def run(main: Callable[[], int | None], torch: bool = True, saved: Callable[[], str] = str) -> None:
  """Parses the flags and calls main; ends the process with its return value, or 2 with one message
  for bad input. A signal ends it too (ending.end_by_signals, which says what `saved` is).

  Where there are several processes (`define_processes`, or a cluster's), they meet first, and an
  error in one ends them all. torch: whether transformers may find PyTorch. It loads it where it is
  installed, though its tokenizers need none of it, and that takes longer than anything else before
  the first update.
  """
  use_huge_pages()
  ending.end_by_signals(saved)

  def guarded(argv) -> int | None:
    if len(argv) > 1:
      return fail(f"Unknown argument {argv[1]!r}: flags start with --.")
    if not flags.FLAGS["verbosity"].present:
      logging.set_verbosity(logging.WARNING)  # Orbax writes dozens of notices a checkpoint.
    # Where PyTorch is not installed, transformers would say that models won't be available.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    try:
      if not torch:
        _hide_torch()
      _keep_programs()
      if "processes" in flags.FLAGS and _joined():
        return _together(main)
      return main()
    except BrokenPipeError:  # Whoever read what is printed has left, as `head` does.
      os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
      return 1
    except Exception as e:
      if found := ending.told(e):
        return fail(*found)
      raise
    finally:
      ending.let_go()

  app.run(guarded, flags_parser=_parse)


def _hide_torch() -> None:
  """Lets transformers, which looks once, believe that PyTorch is not installed; others find it."""
  from ftjax.plugin import hidden

  with hidden("torch"):
    from transformers.utils import is_torch_available

    is_torch_available()


def _keep_programs() -> None:
  from ftjax.parallel.compilation import keep_programs

  keep_programs()


def _joined() -> bool:
  """Meets the other processes. Whether there are any."""
  from ftjax.parallel import distributed

  f = flags.FLAGS
  return distributed.join(f.coordinator, f.processes, f.process, seconds=f.join_seconds)


def _together(main: Callable[[], int | None]) -> int | None:
  """main, as one of several processes: what it raises ends all of them."""
  import jax

  from ftjax.parallel import failures

  stop_watching = failures.watch()
  try:
    status = main()
    stop_watching()
    jax.distributed.shutdown()  # Waits for the others.
    return status
  except Exception as e:
    found = ending.told(e)
    message, status = found or failures.describe(e)
    if found is None and status != failures.LOST:
      traceback.print_exc()
    failures.fail(message, status)


_TUNABLES, _HUGE = "GLIBC_TUNABLES", "glibc.malloc.hugetlb"
_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def use_huge_pages() -> None:
  """Starts this script once more with glibc asking Linux for huge pages, where they are to be had
  by asking ("madvise") and nobody has decided otherwise in GLIBC_TUNABLES.

  XLA's CPU backend takes a step's memory anew each time, and the kernel hands it out in pages of 4
  KiB, each with a fault: a fifth of the processor time of a small model's step. glibc reads the
  setting when a process begins, hence the second start.
  """
  tunables = os.environ.get(_TUNABLES, "")
  began_here = sys.argv[0] in sys.orig_argv  # not inside another program
  if not began_here or _HUGE in tunables or not _PAGES.is_file():
    return
  if "[madvise]" in _PAGES.read_text():
    signal.pthread_sigmask(signal.SIG_BLOCK, ending.SIGNALS)  # over to the new program
    os.environ[_TUNABLES] = ":".join(filter(None, (tunables, f"{_HUGE}=1")))
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _parse(argv):
  with _bad_flags_end_here():
    if any(arg in ("--help", "-help", "--helpfull", "--helpshort", "-h") for arg in argv[1:]):
      print(_help(argv[0]))
      sys.exit(0)
    left = flags.FLAGS(argv)
    if "config" in flags.FLAGS:
      getattr(flags.FLAGS.config, "any", None)  # Fails here if the file could not be loaded.
    return left


def _help(program: str) -> str:
  """What a script is for, its flags, and the keys of its config with their defaults."""
  known = flags.FLAGS.flags_by_module_dict()
  lines = [(sys.modules["__main__"].__doc__ or "").strip(), "", "Flags:"]
  for flag in (*known.get(program, ()), *known.get(__name__, ())):
    shown = "" if flag.default is None else f"={flag.default_as_str.strip(chr(39))}"
    lines.append(f"  --{flag.name}{shown}  {_one_line(flag.help)}")
  if "config" in flags.FLAGS:
    flags.FLAGS.mark_as_parsed()
    keys = flat(flags.FLAGS.config)
    lines += ["", "Keys of the config, with their defaults:"]
    lines += [f"  --config.{key}={value}" for key, value in keys.items()]
  return "\n".join(lines)


@contextlib.contextmanager
def _bad_flags_end_here():
  """Ends the process with one message and status 2 for anything wrong with flags or the config
  file."""
  try:
    yield
  except AttributeError as e:
    given = next((a for a in sys.argv if a.startswith("--config.")), "--config")
    line = re.sub(
      r"(?:\\n|[\s'\"\\])*Did you mean \"?([^\"\s]+)\"? instead of.*",
      r" does not exist. Did you mean '\1'?",
      str(e),
    )
    key = line.strip(" '\"\\n")
    sys.exit(fail(f"{_naming(key) or given}: no such config key: {_one_line(key)}"))
  except OSError as e:
    found = re.search(r"(\S+\.py)\s+\[Errno", str(e))
    sys.exit(
      fail(
        f"--config: cannot read {found[1] if found else _one_line(e)}. Give a file such as configs/sft.py."
      )
    )
  except (flags.Error, TypeError, ValueError, KeyError, ImportError, SyntaxError) as e:
    line = _one_line(e)
    if group := re.match(r"flag (--config\.[\w.]+)=.* as a ConfigDict", line):
      line = f"{group[1]} is a group of keys. Give each with its value, as in {group[1]}.KEY=VALUE."
    if missing := re.match(r"flag --(\w+)=None: .* must have a value other than None", line):
      line = f"--{missing[1]} is missing. Give --{missing[1]}=VALUE; --help lists all flags."
    if isinstance(e, flags.UnrecognizedFlagError):
      line = line.rstrip(".") + ". --help lists all flags."
    sys.exit(fail(line))


def _naming(message: str) -> str:
  """The flag on the command line that ends in the key which the message speaks of."""
  word = re.match(r"[\w]+", message)
  keys = (a.split("=")[0] for a in sys.argv if a.startswith("--config."))
  return next((k for k in keys if word and word[0] in k.split(".")), "")


def _one_line(error) -> str:
  return re.sub(r"\s+", " ", str(error)).strip()
