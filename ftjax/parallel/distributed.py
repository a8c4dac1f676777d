"""Several processes that are one run: how they find each other, and what each has of the whole.

Nothing here runs at import, and in a run of one process every function is a matter of course.
"""

import os
import threading
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from ftjax.config import InputError

COORDINATOR, COUNT, INDEX = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"
JOIN_SECONDS = 300  # until all processes must be there
HEARTBEAT_SECONDS = 60  # without a sign of life from a process until it counts as dead
LEAVE_SECONDS = 60  # that a process waits for the others at its end
_METADATA = "http://metadata.google.internal/computeMetadata/v1/instance/attributes/"
_CHIPS = ("accel*", "vfio/[0-9]*")  # what a TPU's chips are in /dev


class Processes(NamedTuple):
  """Who takes part, as it was given by hand."""

  coordinator: str  # "host:port" of process 0, where all meet
  count: int
  index: int  # 0 .. count - 1


def by_hand(
  coordinator: str | None, count: int | None, index: int | None, environ: Mapping[str, str]
) -> Processes | None:
  """The processes as flags say, and where they do not, the environment (COORDINATOR, COUNT and INDEX);
  None where nobody says anything.

  Raises InputError for a part of the three alone, and for what cannot be.
  """
  given = {
    "--coordinator": coordinator or environ.get(COORDINATOR) or None,
    "--processes": environ.get(COUNT) or None if count is None else count,
    "--process": environ.get(INDEX) or None if index is None else index,
  }
  if not any(x is not None for x in given.values()):
    return None
  names = dict(zip(given, (COORDINATOR, COUNT, INDEX), strict=True))
  if missing := [f"{flag} (or {names[flag]})" for flag, x in given.items() if x is None]:
    raise InputError(
      f"{' and '.join(missing)} missing. A run of several processes needs three things on each of them: "
      "--coordinator=HOST:PORT of process 0, --processes=HOW_MANY, and --process=0, 1, ..."
    )
  address, numbers = given["--coordinator"], []
  for flag in ("--processes", "--process"):
    if not str(given[flag]).isdecimal():
      raise InputError(f"{flag} (or {names[flag]}) is {given[flag]!r}, and must be a whole number.")
    numbers.append(int(given[flag]))
  count, index = numbers
  if not index < count:
    raise InputError(f"--process={index} must be below --processes={count}: they count from 0.")
  host, _, port = address.rpartition(":")
  if not host or not port.isdecimal():
    raise InputError(f"--coordinator={address!r} must be HOST:PORT, as in 10.0.0.2:8476.")
  return Processes(address, count, index)


def on_cluster(environ: Mapping[str, str]) -> str:
  """The name of the cluster whose own tools started several processes of this run, and which JAX
  therefore finds by itself; "" for none.

  Looks at the environment, and asks a metadata server only on a machine with TPU chips.
  """
  more = lambda name: environ.get(name, "1").isdecimal() and int(environ.get(name, "1")) > 1
  if more("SLURM_NTASKS") and {"SLURM_STEP_NODELIST", "SLURM_PROCID"} <= environ.keys():
    return "SLURM"
  if more("OMPI_COMM_WORLD_SIZE"):
    return "Open MPI"
  platforms = environ.get("JAX_PLATFORMS", "")
  if platforms and "tpu" not in platforms.split(","):
    return ""
  hosts = environ.get("TPU_PROCESS_ADDRESSES", environ.get("TPU_WORKER_HOSTNAMES", ""))
  if not _has_chips():
    return ""
  if "," in hosts or more("MEGASCALE_NUM_SLICES"):
    return "TPU slice (GKE)" if hosts else "TPU slices"
  notebook = any(name.startswith(("COLAB_", "KAGGLE_")) for name in environ)
  if hosts or notebook or "TPU_SKIP_MDS_QUERY" in environ:
    return ""
  return "TPU slice" if "," in _metadata("worker-network-endpoints") else ""


def _has_chips(devices: Path = Path("/dev")) -> bool:
  return any(any(devices.glob(pattern)) for pattern in _CHIPS)


def _metadata(key: str, seconds: float = 2.0) -> str:
  """What Google Cloud tells a machine about itself; "" where there is nobody to ask."""
  request = urllib.request.Request(_METADATA + key, headers={"Metadata-Flavor": "Google"})
  try:
    with urllib.request.urlopen(request, timeout=seconds) as answer:
      return answer.read().decode()
  except (OSError, ValueError):
    return ""


def join(
  coordinator: str | None = None,
  count: int | None = None,
  index: int | None = None,
  *,
  seconds: int = JOIN_SECONDS,
) -> bool:
  """Meets the other processes of this run, if there are any; to be called before JAX has looked for
  devices. Returns whether there are several.

  By hand where it is given by hand (see `by_hand`), else as JAX finds by itself on a cluster.
  Raises InputError for what is given wrongly. Where the others do not come in time, ends the
  process with status 2 and a message: the call that waits for them cannot be left otherwise.
  """
  given = by_hand(coordinator, count, index, os.environ)
  where = "" if given else on_cluster(os.environ)
  if not where and (given is None or given.count == 1):
    return False
  if given:
    who = f"process {given.index} of {given.count}"
    missing = "another process" if given.index == 0 else f"the coordinator at {given.coordinator}"
    arguments = dict(
      coordinator_address=given.coordinator, num_processes=given.count, process_id=given.index,
      cluster_detection_method="deactivate",
    )  # fmt: skip
  else:
    who, missing, arguments = f"a process on {where}", "one of the others", {}

  def give_up() -> None:
    text = (
      f"error: {who} waited {seconds} s for the others, and {missing} did not answer. Start the same "
      "command on all of them, with one and the same coordinator address, which all can reach: that of "
      "process 0's machine, and a port that is free and that no firewall closes.\n"
    )
    os.write(2, text.encode())
    os._exit(2)

  patience = threading.Timer(seconds, give_up)
  patience.daemon = True
  patience.start()
  try:
    jax.distributed.initialize(
      **arguments, initialization_timeout=seconds + 30, heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
      shutdown_timeout_seconds=LEAVE_SECONDS,
    )  # fmt: skip
    jax.devices()  # Here the processes exchange what devices they have.
  except (RuntimeError, ValueError) as e:
    raise InputError(f"{who} could not join the run: {e}") from e
  finally:
    patience.cancel()
  return jax.process_count() > 1


def barrier(name: str) -> None:
  """Returns when all processes are here."""
  if jax.process_count() > 1:
    multihost_utils.sync_global_devices(name)


def from_first(number: int) -> int:
  """Process 0's number, on all of them."""
  if jax.process_count() == 1:
    return number
  return int(multihost_utils.broadcast_one_to_all(np.int32(number)))


def alike(
  digest: str, what: str, mend: str = "put the files where all of them see the same ones"
) -> None:
  """Raises InputError where processes have different `digest`s (in hex) of what must be the same."""
  if jax.process_count() == 1:
    return
  mine = np.frombuffer(bytes.fromhex(digest), np.uint8).astype(np.int32)
  every = multihost_utils.process_allgather(mine)
  if other := [i for i, x in enumerate(every) if (x != every[0]).any()]:
    raise InputError(
      f"{what} on process {other[0]} differ from those on process 0. All processes must have the same: "
      f"{mend}."
    )


def rows_here(sharding: jax.sharding.Sharding, rows: int, dim: int) -> np.ndarray:
  """Which of an array's rows this process's devices hold, ascending: int64 [n].

  sharding: of the array, whose dim `dim` counts the rows and whose last dim is not split.
  """
  shape = (1,) * dim + (rows, 1)
  indices = sharding.addressable_devices_indices_map(shape).values()
  return np.unique(np.concatenate([np.arange(rows)[index[dim]] for index in indices]))


def put(x, sharding: jax.sharding.Sharding) -> jax.Array:
  """An array that every process has whole, as one array of them all: each gives its devices' parts."""
  if jax.process_count() == 1:
    return jax.device_put(x, sharding)
  if isinstance(x, jax.Array) and not x.is_fully_addressable:
    return jax.jit(lambda x: x, out_shardings=sharding)(x)
  x = np.asarray(x)
  return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])


def whole(x) -> np.ndarray:
  """The numbers of an array that may be spread over processes. All of them must call this."""
  if isinstance(x, jax.Array) and not (x.is_fully_addressable or x.is_fully_replicated):
    return multihost_utils.process_allgather(x, tiled=True)
  return np.asarray(x)
