"""Chips as facts: memory, peaks and links, each with its source.

TPU: the pages of cloud.google.com/tpu/docs named after each version (peak bfloat16, HBM and its
bandwidth, inter-chip bandwidth), and `usable`: what libtpu 0.0.42 leaves of the HBM for programs, as
its compiler says when a program is too large. GPU: the maker's data sheets (dense bfloat16, without
sparsity); a program can have about 0.95 of a GPU's memory.
"""

from dataclasses import dataclass
from pathlib import Path

import jax

GIB = 2**30


@dataclass(frozen=True)
class Chip:
  """One chip (of tpu7x: one of the two devices that it is)."""

  flops: float  # bfloat16 a second, at peak
  usable: float  # bytes of memory that a program can have
  memory: float  # bytes a second, between chip and its memory
  links: float  # bytes a second, to other chips, all links of one direction together
  source: str


CHIPS = {
  "v4": Chip(275e12, 30.75 * GIB, 1.228e12, 135e9, "cloud.google.com/tpu/docs/v4"),
  "v5e": Chip(197e12, 15.75 * GIB, 0.819e12, 100e9, "cloud.google.com/tpu/docs/v5e"),
  "v5p": Chip(459e12, 95.74 * GIB, 2.765e12, 270e9, "cloud.google.com/tpu/docs/v5p"),
  "v6e": Chip(918e12, 31.25 * GIB, 1.640e12, 180e9, "cloud.google.com/tpu/docs/v6e"),
  "tpu7x": Chip(1153e12, 94.75 * GIB, 3.690e12, 270e9, "cloud.google.com/tpu/docs/tpu7x"),
  "h100": Chip(989e12, 76 * GIB, 3.35e12, 450e9, "NVIDIA H100 SXM data sheet"),
  "h200": Chip(989e12, 134 * GIB, 4.8e12, 450e9, "NVIDIA H200 SXM data sheet"),
  "b200": Chip(2250e12, 171 * GIB, 8.0e12, 900e9, "NVIDIA DGX B200 data sheet"),
  "a100": Chip(312e12, 76 * GIB, 2.039e12, 300e9, "NVIDIA A100 80GB SXM data sheet"),
  "a100-40gb": Chip(312e12, 38 * GIB, 1.555e12, 300e9, "NVIDIA A100 40GB SXM data sheet"),
  "l4": Chip(121e12, 22 * GIB, 0.300e12, 32e9, "NVIDIA L4 data sheet, PCIe 4.0 x16"),
  "l40s": Chip(362e12, 45 * GIB, 0.864e12, 32e9, "NVIDIA L40S data sheet, PCIe 4.0 x16"),
  "rtx4090": Chip(165e12, 22.5 * GIB, 1.008e12, 32e9, "NVIDIA Ada architecture paper, PCIe 4.0"),
}
GPUS = tuple(name for name in CHIPS if not name.startswith(("v", "tpu")))

# bfloat16 FLOP/s of one JAX device, by the beginning of its device_kind (the longest that fits
# counts): the denominator of MFU. A v2 or v3 chip has two devices.
PEAK_BFLOAT16 = {
  "TPU v2": 22.5e12, "TPU v3": 61.5e12, "TPU v4 lite": 138e12, "Tesla V100": 125e12,
  "Tesla T4": 65e12, "NVIDIA A10G": 70e12, "NVIDIA H100 PCIe": 756e12,
} | {
  kind: CHIPS[name].flops
  for kind, name in {
    "TPU v4": "v4", "TPU v5 lite": "v5e", "TPU v5e": "v5e", "TPU v5": "v5p", "TPU v5p": "v5p",
    "TPU v6 lite": "v6e", "TPU v6e": "v6e", "TPU7x": "tpu7x", "NVIDIA L4": "l4", "NVIDIA L40S": "l40s",
    "NVIDIA A100": "a100", "NVIDIA H100": "h100", "NVIDIA H200": "h200", "NVIDIA B200": "b200",
    "NVIDIA GeForce RTX 4090": "rtx4090",
  }.items()
}  # fmt: skip


def peak_flops(device: jax.Device | None = None) -> float | None:
  """bfloat16 FLOP/s of a device (default: the first), None for what is not in the table, such as
  every CPU. float32 products count against it too: that they are slower is a choice."""
  kind = (device or jax.devices()[0]).device_kind
  fits = [name for name in PEAK_BFLOAT16 if kind.startswith(name)]
  return PEAK_BFLOAT16[max(fits, key=len)] if fits else None


def multiplies_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
  """Whether this machine's processor has matrix instructions for bfloat16 (AMX: Intel Xeon from
  Sapphire Rapids on), as Linux says."""
  if not cpuinfo.is_file():
    return False
  lines = cpuinfo.read_text(encoding="utf-8").splitlines()
  return any(x.startswith("flags") and "amx_bf16" in x.split() for x in lines)
