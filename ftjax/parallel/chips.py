"""What chips can do at best, from their vendors' data sheets: the denominator of MFU."""

import jax

# Dense bfloat16 FLOP/s of one JAX device, by the beginning of its device_kind (the longest that
# fits counts). A v2 or v3 chip has two devices; figures without sparsity.
PEAK_BFLOAT16 = {
  "TPU v2": 22.5e12, "TPU v3": 61.5e12, "TPU v4": 275e12, "TPU v4 lite": 138e12,
  "TPU v5 lite": 197e12, "TPU v5e": 197e12, "TPU v5": 459e12, "TPU v5p": 459e12,
  "TPU v6 lite": 918e12, "TPU v6e": 918e12, "TPU7x": 1153e12,
  "Tesla V100": 125e12, "Tesla T4": 65e12, "NVIDIA L4": 121e12, "NVIDIA L40S": 362e12,
  "NVIDIA A10G": 70e12, "NVIDIA A100": 312e12, "NVIDIA H100 PCIe": 756e12,
  "NVIDIA H100": 989e12, "NVIDIA H200": 989e12, "NVIDIA B200": 2250e12,
}  # fmt: skip


def peak_flops(device: jax.Device | None = None) -> float | None:
  """bfloat16 FLOP/s of a device (default: the first), None for what is not in the table, such as
  every CPU. float32 products count against it too: that they are slower is a choice."""
  kind = (device or jax.devices()[0]).device_kind
  fits = [name for name in PEAK_BFLOAT16 if kind.startswith(name)]
  return PEAK_BFLOAT16[max(fits, key=len)] if fits else None
