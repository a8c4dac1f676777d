"""Codes and scales of one matrix: errors, packing, and the paper's quantization written plainly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ftjax.models.quant import codes

quantize = jax.jit(codes.quantize, static_argnames=("kind", "group"))


def weights(*shape) -> np.ndarray:
  """Normal numbers as in a trained layer, with columns of different size."""
  random = np.random.default_rng(0)
  return random.normal(size=shape).astype("f4") * random.uniform(0.01, 0.1, shape[1:]).astype("f4")


def error(w, again) -> float:
  return float(np.linalg.norm(w - again) / np.linalg.norm(w))


@pytest.mark.parametrize(
  "kind, most, bits", [("int8", 0.01, 8.1), ("int4", 0.12, 4.2), ("nf4", 0.1, 4.2)]
)
def test_errors_and_bits_are_those_of_the_format(kind, most, bits):
  w = weights(512, 512)
  leaves = quantize(kind, w)
  found = error(w, codes.dequantize(leaves, 512))
  assert most / 2 < found < most
  assert sum(x.nbytes for x in leaves.values()) * 8 / w.size < bits
  assert {n: (x.shape, x.dtype) for n, x in leaves.items()} == codes.shapes(kind, 512, (512,))


@pytest.mark.parametrize("kind", codes.KINDS)
@pytest.mark.parametrize("shape", [(64, 8), (70, 3, 5), (130, 300), (1, 2)])
def test_what_has_been_quantized_stays_as_it_is(kind, shape):
  """Codes to the last bit; the scales of four bits, whose means are taken anew, nearly."""
  leaves = quantize(kind, weights(*shape))
  w = codes.dequantize(leaves, shape[0])
  assert w.shape == shape
  again = quantize(kind, w)
  np.testing.assert_array_equal(again[kind], leaves[kind])
  np.testing.assert_allclose(codes.dequantize(again, shape[0]), w, rtol=0.03, atol=1e-6)


@pytest.mark.parametrize("kind", codes.KINDS)
def test_zeros_are_zeros(kind):
  np.testing.assert_array_equal(codes.dequantize(quantize(kind, jnp.zeros((70, 4))), 70), 0)


def test_two_codes_in_a_byte_come_apart_again():
  both = np.random.default_rng(0).integers(0, 16, (3, 64, 5)).astype("u1")
  assert codes.pack(both).shape == (3, 32, 5)
  np.testing.assert_array_equal(codes.unpack(codes.pack(both)), both)


def test_values_of_codes():
  """Every code of both tables, to the last bit; nf4's are the paper's, with zero and both ends."""
  for table in codes.TABLES.values():
    every = jnp.arange(len(table), dtype=jnp.uint8)
    np.testing.assert_array_equal(codes.lookup(every, table), np.float32(table))
    np.testing.assert_array_equal(codes.nearest(np.float32(table), table), every)
  from scipy.stats import norm

  # The paper's equation 4: the means of neighbouring quantiles, both halves sharing the zero.
  offset = 1 - (1 / 32 + 1 / 30) / 2
  right, left = (
    norm.ppf(np.linspace(offset, 0.5, 9)[:-1]),
    -norm.ppf(np.linspace(offset, 0.5, 8)[:-1]),
  )
  paper = np.sort(np.concatenate([right, [0], left])) / right.max()
  np.testing.assert_allclose(codes.NF4, paper, atol=1e-6)


def by_the_paper(w: np.ndarray) -> np.ndarray:
  """nf4 with double quantization of one matrix [I, O], in loops, groups of scales as here."""
  out, table = np.zeros_like(w), np.float32(codes.NF4)
  for start in range(0, w.shape[0], 64):
    block = w[start : start + 64]
    sizes, seen = np.abs(block).max(0), np.zeros(w.shape[1], "f4")
    for first in range(0, len(sizes), 256):
      group = sizes[first : first + 256]
      mean = group.mean(dtype="f4")
      step = np.float32(np.abs(group - mean).max() / 127)
      seen[first : first + 256] = np.round((group - mean) / step).astype("i1") * step + mean
    for j in range(w.shape[1]):
      nearest = np.abs(block[:, j, None] / sizes[j] - table).argmin(1)
      out[start : start + 64, j] = table[nearest] * seen[j]
  return out


def test_nf4_is_the_papers():
  w = weights(128, 512)
  np.testing.assert_allclose(
    codes.dequantize(quantize("nf4", w), 128), by_the_paper(w), rtol=1e-5, atol=1e-6
  )


def test_a_part_with_its_own_groups_is_the_part_of_the_whole():
  """What lets processes quantize what their devices keep, each for itself."""
  w = weights(192, 7 * 97)
  whole, part = quantize("nf4", w), quantize("nf4", w[64:, 97 : 3 * 97], group=97)
  assert codes.groups(7 * 97) == 7
  np.testing.assert_array_equal(part["nf4"], whole["nf4"][1:, :, 97 : 3 * 97])
  np.testing.assert_array_equal(part["scales"], whole["scales"][1:, 97 : 3 * 97])
  np.testing.assert_array_equal(part["step"], whole["step"][1:, 1:3])
