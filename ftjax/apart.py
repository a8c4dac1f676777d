"""Work in a process of its own, which may crash without taking anything with it."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from ftjax.config import InputError


class Crashed(InputError):
  """A process died of what it was given."""


def call(fn: Callable[..., Any], *args: Any, crashed: str) -> Any:
  """fn(*args) in a fresh process; fn is a module's own function, and all of it can be pickled.

  What fn raises is raised here. Raises Crashed(crashed) where the process dies.
  """
  with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
    try:
      return pool.submit(fn, *args).result()
    except BrokenProcessPool as e:
      raise Crashed(crashed) from e
