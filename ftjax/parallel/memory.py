"""How much memory devices have, and how much a compiled program takes of it."""

import os
from pathlib import Path

import jax

_CGROUP = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def limit(device: jax.Device) -> int | None:
  """Bytes that programs on a device can have; None where nobody says. CPU devices share the
  machine's memory, or what their cgroup has of it."""
  if device.platform != "cpu":
    return (device.memory_stats() or {}).get("bytes_limit")
  return machine() // len(jax.local_devices(backend="cpu"))


def machine() -> int:
  """Bytes of this machine's memory, or of the cgroup that the process runs in."""
  total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
  said = [p.read_text().strip() for p in _CGROUP if p.is_file()]
  return min([total, *(int(x) for x in said if x.isdigit())])


def held(memory) -> int:
  """Bytes of a program's arguments and results, from its memory_analysis()."""
  return memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes


def peak(memory) -> int:
  """Bytes that a program takes of a device at most, its own code included, by its
  memory_analysis()."""
  return held(memory) + memory.temp_size_in_bytes + memory.generated_code_size_in_bytes
