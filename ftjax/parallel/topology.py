"""Devices that are not here: a TPU slice by name, which XLA compiles for as if it were.

libtpu holds the TPU's compiler and describes every slice; no TPU is touched. See
jax.experimental.topologies.
"""

import importlib.util
import math
import os
import re
from dataclasses import dataclass

import jax

from ftjax.config import InputError

# TPU chips by the name that slices have: what libtpu calls them, options of a slice.
TPUS = {
  "v4": ("v4", {"chip_config_name": "megacore"}),
  "v5e": ("v5e", {}),
  "v5p": ("v5p", {}),
  "v6e": ("v6e", {}),
  "tpu7x": ("tpu7x", {}),
}
HOW = (
  "Give a TPU slice by its chips (v5e:2x2, v6e:2x4, v5p:2x2x1), or cpu:1, h100:8 and the like for "
  "other devices"
)


@dataclass(frozen=True)
class Topology:
  """What a plan is for: `count` chips of one kind, of a TPU laid out as `shape`."""

  name: str
  platform: str  # "tpu" | "gpu" | "cpu"
  chip: str
  shape: tuple[int, ...]

  @property
  def count(self) -> int:
    """Chips."""
    return math.prod(self.shape)


def parse(name: str, gpus=()) -> Topology:
  """A topology by name: CHIP:AxB[xC] of a TPU, KIND:COUNT of other devices.

  gpus: the kinds of GPU that are known.
  """
  chip, colon, sizes = name.partition(":")
  known = (*TPUS, *gpus, "cpu")
  if not colon or not re.fullmatch(r"\d+(x\d+){0,2}", sizes) or chip not in known:
    raise InputError(f"--topology={name!r}: {HOW}. Known: {', '.join(known)}.")
  shape = tuple(map(int, sizes.split("x")))
  platform = "tpu" if chip in TPUS else "cpu" if chip == "cpu" else "gpu"
  wanted = {"v5e": 2, "v6e": 2}.get(chip, 3) if platform == "tpu" else 1
  if len(shape) != wanted or 0 in shape:
    form = "x".join("AB C".replace(" ", "")[:wanted]) if platform == "tpu" else "COUNT"
    raise InputError(f"--topology={name!r}: a {chip} topology is written {chip}:{form}.")
  return Topology(name, platform, chip, shape)


def devices(topology: Topology) -> list:
  """The devices of a TPU slice, to compile for (a chip of tpu7x is two), or CPU devices that are
  here.

  Raises InputError where libtpu is not installed or knows no such slice.
  """
  if topology.platform == "cpu":
    here = jax.devices("cpu")
    if len(here) < topology.count:
      raise InputError(
        f"--topology={topology.name!r}: JAX has {len(here)} CPU device(s) here. Set XLA_FLAGS="
        f"--xla_force_host_platform_device_count={topology.count}."
      )
    return here[: topology.count]
  if importlib.util.find_spec("libtpu") is None:
    raise InputError(
      "Compiling for a TPU needs its compiler, which is the package libtpu: pip install "
      "'ftjax[plan]' (about 200 MB to download; no TPU and no account are needed)."
    )
  # libtpu would ask a cloud's metadata server which machine this is, and lock the TPU that is not here.
  os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
  os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")
  from jax.experimental import topologies

  chip, options = TPUS[topology.chip]
  if topology.count in (1, 2):  # Part of a host: libtpu wants to be told that hosts are that small.
    options = options | {"chips_per_host_bounds": [*topology.shape, 1, 1][:3]}
  try:
    described = topologies.get_topology_desc(
      platform="tpu", topology_name=f"{chip}:{'x'.join(map(str, topology.shape))}", **options
    )
  except (jax.errors.JaxRuntimeError, ValueError, NotImplementedError) as e:
    raise InputError(f"--topology={topology.name!r}: there is no such slice ({_first(e)}).") from e
  return described.devices


def _first(e: Exception) -> str:
  return str(e).splitlines()[0][:200]
