"""Families, sources and metrics are modules found by name: a new one is one file."""

import contextlib
import difflib
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from types import ModuleType

from ftjax.config import InputError


def names(package: str) -> list[str]:
  """The public modules of a package, sorted."""
  path = importlib.import_module(package).__path__
  return sorted(m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_"))


def load(package: str, name: str) -> ModuleType:
  """Imports `package.name`. An unknown name is an InputError that lists what exists; a module that
  exists but fails to import raises its own error."""
  loaded = sys.modules.get(f"{package}.{name}")
  if loaded and not name.startswith("_"):
    return loaded
  known = names(package)
  if name not in known:
    what = package.rsplit(".", 1)[-1]
    raise InputError(
      f"{name!r} is not one of ftjax's {what}: {', '.join(known)}.{did_you_mean(name, known)}"
    )
  return importlib.import_module(f"{package}.{name}")


def did_you_mean(name: str, known) -> str:
  """' Did you mean ...?', or nothing when no known name is close."""
  close = difflib.get_close_matches(name, list(known), n=1)
  return f" Did you mean {close[0]!r}?" if close else ""


@contextlib.contextmanager
def hidden(package: str) -> Iterator[None]:
  """Inside, a package that has not been imported yet seems not to be installed: for libraries that
  import a large one where they find it."""
  if package in sys.modules:
    yield
    return
  sys.modules[package] = None
  try:
    yield
  finally:
    del sys.modules[package]
