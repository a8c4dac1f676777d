"""MXFP4, in which gpt-oss is published: numbers of four bits, with a power of two for every 32 of them.

Source: OCP Microscaling Formats (MX) v1.0, the elements E2M1 and the scales E8M0; how gpt-oss lays
them out: transformers/integrations/mxfp4.py, convert_moe_packed_tensors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np

from ftjax.config import InputError
from ftjax.models.formats.stored import Box, Empty, Stored

METHOD = "mxfp4"  # as quantization_config calls it
BLOCKS, SCALES = "_blocks", "_scales"  # what a tensor's name is followed by
_BYTES = 16  # of a block: 32 numbers
_E2M1 = np.float32([0, 0.5, 1, 1.5, 2, 3, 4, 6])
_E2M1 = np.concatenate([_E2M1, -_E2M1])
_PAIRS = np.stack([_E2M1[np.arange(256) & 15], _E2M1[np.arange(256) >> 4]], -1)  # low half first
_BIAS = 127  # of a scale's exponent


@dataclass(frozen=True)
class Mxfp4:
  """Experts' matrices [E, inputs, outputs] of blocks uint8 [E, outputs, inputs / 32, 16] and scales
  uint8 [E, outputs, inputs / 32], as the bfloat16 that holds each of their numbers exactly."""

  name: str
  blocks: Stored
  scales: Stored

  @property
  def shape(self) -> tuple[int, ...]:
    E, outputs, groups, width = self.blocks.shape
    return E, groups * 2 * width, outputs

  @property
  def dtype(self) -> str:
    return "BF16"

  @property
  def file(self) -> Path:
    return self.blocks.file

  @property
  def order(self) -> tuple[int, ...]:
    return 0, 2, 1

  def read(self, box: Box, empty: Empty = np.empty) -> np.ndarray:
    experts, (start, stop), outputs = box
    size = 2 * _BYTES
    groups = start // size, -(-stop // size)
    # Both need memory of their own until they are one.
    scales = self.scales.read((experts, outputs, groups))
    codes = self.blocks.read((experts, outputs, groups, (0, _BYTES)))
    numbers = _PAIRS[codes].reshape(*scales.shape, size)
    numbers = np.ldexp(numbers, scales[..., None].astype(np.int32) - _BIAS)
    numbers = numbers.reshape(*scales.shape[:2], -1)[:, :, start - groups[0] * size :][
      :, :, : stop - start
    ]
    found = empty(numbers.shape, np.dtype(ml_dtypes.bfloat16))
    found[...] = numbers
    return found.swapaxes(1, 2)


def opened(stored: Mapping[str, Stored]) -> dict[str, Stored]:
  """The tensors of a checkpoint with every pair of blocks and scales as the one matrix that it is.

  Raises InputError where one of a pair is missing or they do not fit.
  """
  found = dict(stored)
  for name in [n for n in stored if n.endswith(BLOCKS)]:
    whole = name.removesuffix(BLOCKS)
    blocks, scales = found.pop(name), found.pop(whole + SCALES, None)
    if scales is None:
      raise InputError(f"{blocks.file} has {name} but no tensor {whole + SCALES}. Copy it again.")
    fits = len(blocks.shape) == 4 and blocks.shape[3] == _BYTES and blocks.shape[:3] == scales.shape
    if not fits or {blocks.dtype, scales.dtype} != {"U8"}:
      raise InputError(
        f"{blocks.file}: {name} {blocks.dtype}{list(blocks.shape)} and {whole + SCALES} "
        f"{scales.dtype}{list(scales.shape)} are not MXFP4: they would be U8 [E, outputs, groups, 16] "
        "and U8 [E, outputs, groups]."
      )
    found[whole] = Mxfp4(whole, blocks, scales)
  return found
