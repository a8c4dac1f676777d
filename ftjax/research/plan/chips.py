"""Chips as facts: memory, peaks and links, each with its source.

TPU: the pages of cloud.google.com/tpu/docs named after each version (peak bfloat16, HBM and its
bandwidth, inter-chip bandwidth), and `usable`: what libtpu 0.0.42 leaves of the HBM for programs, as
its compiler says when a program is too large. GPU: the maker's data sheets (dense bfloat16, without
sparsity); a program can have about 0.95 of a GPU's memory.
"""

from dataclasses import dataclass

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
