"""Ray: the same calls on the machines of a cluster (pip install 'ftjax[ray]').

Every machine sees `output` and the sources under the same paths (a shared file system), as chunks
are folders there. On a cluster `ray.init` finds the head by RAY_ADDRESS; without one, it starts on
this machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from ftjax.config import InputError


def run(calls: Iterator[tuple], workers: int, done: Callable[[int], None]) -> None:
  """Makes every call as a Ray task; `done` is told what each returned. As many wait as keep
  `workers` busy, so that raw chunks do not pile up; on a cluster, workers are all of its cores.

  Tasks, and not Ray Data: that wants the list of all calls before the first one runs, and reading
  it is half of the work. Raises InputError where Ray is not installed, and for a task that was
  killed.
  """
  try:
    import ray
  except ImportError as e:
    raise InputError("run.engine=ray needs Ray: pip install 'ftjax[ray]'.") from e
  own = not ray.is_initialized()
  if own:
    cluster = "RAY_ADDRESS" in os.environ
    options = {} if cluster else {"num_cpus": workers, "include_dashboard": False}
    ray.init(log_to_driver=False, logging_level="ERROR", **options)
  try:
    task = ray.remote(max_retries=2)(_call)
    most = 2 * max(workers, int(ray.cluster_resources().get("CPU", workers)))
    waiting = []
    for call in calls:
      waiting.append(task.remote(*call))
      while len(waiting) >= most:
        ready, waiting = ray.wait(waiting, num_returns=1)
        _take(ray, ready, done)
    _take(ray, waiting, done)
  finally:
    if own:
      ray.shutdown()


def _call(function, *arguments):
  return function(*arguments)


def _take(ray, results, done) -> None:
  for result in results:
    try:
      done(ray.get(result))
    except ray.exceptions.RayTaskError as e:
      raise e.cause from None  # the error that the call itself raised
    except ray.exceptions.RayError as e:
      raise InputError(
        f"Ray lost a task: {str(e).splitlines()[0]} Give it more memory, or lower run.memory, and run the same command: "
        "it goes on from its finished chunks."
      ) from e
