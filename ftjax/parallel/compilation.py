"""Compiled programs kept on disk, so that a second start need not compile again."""

import hashlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path

import jax

_LARGEST = 8 << 30  # bytes of all programs, of which the least used go first


def keep_programs(environ: Mapping[str, str] = os.environ) -> str | None:
  """Turns on JAX's persistent compilation cache, in $XDG_CACHE_HOME/ftjax (~/.cache/ftjax), and
  returns its folder; None where there is none.

  JAX's own variables decide otherwise: JAX_COMPILATION_CACHE_DIR names another folder (a bucket's path
  as well, for all hosts of a pod), JAX_ENABLE_COMPILATION_CACHE=false wants none. Does nothing where
  the folder cannot be made.
  """
  if not jax.config.jax_enable_compilation_cache:
    return None
  if not jax.config.jax_compilation_cache_dir:
    home = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "ftjax" / "programs" / f"jax-{jax.__version__}-{_machine()}"
    try:
      folder.mkdir(parents=True, exist_ok=True)
    except OSError:
      return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_compilation_cache_max_size", _LARGEST)
  if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in environ:
    # A start compiles some hundred small programs as well, which take seconds together.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
  return jax.config.jax_compilation_cache_dir


def _machine(cpus: Path = Path("/proc/cpuinfo")) -> str:
  """Tells processors apart that cannot run each other's programs: homes are shared by many machines."""
  flags = next((x for x in _lines(cpus) if x.startswith(("flags", "Features"))), "")
  return hashlib.sha256(f"{platform.machine()} {flags}".encode()).hexdigest()[:8]


def _lines(path: Path) -> list[str]:
  return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
