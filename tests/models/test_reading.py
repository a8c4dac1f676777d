"""Reading by the piece: what comes together is the whole, and only what is asked for is read."""

import math
import os
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from ftjax.models import hf, reading
from ftjax.models.config import Weight
from ftjax.models.formats import safetensors as format_
from ftjax.models.formats import stored as stored_
from ftjax.models.reading import Reader, box_of
from ftjax.models.tensors import hf_shape, our_shape, places_of, to_ours

SIZES = dict(L=3, V=13, D=12, N=4, H=6, K=2, F=10, C=2, E=3)
CONFIG = SimpleNamespace(sizes=SIZES)
TABLE = [
  Weight("tokens", "embed", "V D -> V D"),
  Weight("{l}.q", "q", "(N H) D -> D N H"),
  Weight("{l}.o", "o", "D (N H) -> N H D"),
  Weight("{l}.bias", "bias", "(N H) -> N H"),
  Weight("{l}.turned", "turned", "(N K H) D -> D K N H"),
  Weight("{l}.deep", "deep", "K (F C) D -> K D C F"),
  Weight("{l}.{e}.{w1,w3}", "experts", "F D -> D C F"),
]


@pytest.fixture
def files(tmp_path):
  """({name: Stored}, {name: array}) of random tensors for the table."""
  random = np.random.default_rng(0)
  arrays = {
    name: random.standard_normal(hf_shape(weight, CONFIG)).astype("f4")
    for weight in TABLE
    for name in places_of(weight, CONFIG)
  }
  path = tmp_path / "model.safetensors"
  safetensors.numpy.save_file(arrays, path)
  return format_.headers([path]), arrays


def expected(weight, arrays) -> np.ndarray:
  """The leaf, by whole arrays."""
  leaf = np.full(our_shape(weight, CONFIG), np.nan, "f4")
  for name, place in places_of(weight, CONFIG).items():
    leaf[place] = to_ours(arrays[name], weight, CONFIG)
  return leaf


@pytest.fixture
def read_bytes(monkeypatch):
  """A list of the bytes of each read from a file."""
  sizes = []
  preadv = os.preadv

  def counted(fd, buffers, at):
    sizes.append(sum(len(b) for b in buffers))
    return preadv(fd, buffers, at)

  monkeypatch.setattr(stored_.os, "preadv", counted)
  return sizes


@pytest.mark.parametrize("piece", [4 << 20, 100])
@pytest.mark.parametrize("weight", TABLE, ids=lambda w: w.path)
def test_parts_are_those_of_the_whole_and_nothing_else_is_read(
  files, read_bytes, monkeypatch, weight, piece
):
  """Alone, split in two along each dim (evenly or not), and as the corners of a mesh."""
  monkeypatch.setattr(reading, "PIECE", piece)
  headers, arrays = files
  leaf = expected(weight, arrays)
  assert leaf.shape == our_shape(weight, CONFIG)
  whole = tuple((0, n) for n in leaf.shape)
  cut = lambda d, a, b: (*whole[:d], (a, b), *whole[d + 1 :])
  splits = [{whole}]
  for d, n in enumerate(leaf.shape):
    middle = 1 + n // 3
    splits += [{cut(d, 0, middle), cut(d, middle, n)}, {cut(d, middle, n)}]
  splits.append({tuple((n // 2, n) for n in leaf.shape), tuple((0, n // 2) for n in leaf.shape)})
  with Reader() as reader:
    for boxes in splits:
      read_bytes.clear()
      parts = reader.parts(weight, CONFIG, headers, boxes, np.float32)
      assert parts.keys() == boxes
      for box, part in parts.items():
        np.testing.assert_array_equal(part, leaf[tuple(slice(*b) for b in box)])
      assert sum(read_bytes) == sum(part.nbytes for part in parts.values())
      assert max(read_bytes) <= piece


def test_two_devices_that_share_rows_cause_one_read(files, read_bytes):
  headers, arrays = files
  halves = {((0, 13), (0, 6)), ((0, 13), (6, 12))}
  with Reader() as reader:
    reader.parts(TABLE[0], CONFIG, headers, halves, jnp.bfloat16)
  assert read_bytes == [13 * 12 * 4]


def test_little_memory_beside_what_is_kept(variant, monkeypatch):
  """Each thread has room for one piece and for its rows set apart."""
  taken = []
  memory = reading.memory
  monkeypatch.setattr(
    reading, "memory", lambda n, dtype: taken.append((n, dtype)) or memory(n, dtype)
  )
  monkeypatch.setattr(reading, "PIECE", 2048)
  variables = hf.read(hf.open_checkpoint(variant("llama")), jnp.float32)
  scratch = [n for n, dtype in taken if dtype == np.uint8]
  kept = sum(n * np.dtype(dtype).itemsize for n, dtype in taken if dtype != np.uint8)
  assert kept == sum(x.nbytes for x in jax.tree.leaves(variables))
  rows = 2048 // 4  # each at most a cache line longer
  assert max(scratch) <= 2048 + 64 * rows and len(scratch) <= 20 * reading.THREADS


def test_a_cpu_takes_the_memory_over(variant):
  c = hf.open_checkpoint(variant("llama"))
  with Reader() as reader:
    weight = c.table[0]
    box = tuple((0, n) for n in our_shape(weight, c.config))
    (part,) = reader.parts(weight, c.config, c.stored, {box}, jnp.float32).values()
  array = jax.device_put(part)
  assert array.unsafe_buffer_pointer() == part.ctypes.data


def test_boxes_of_jax_indices():
  assert box_of((slice(None), slice(2, 5, None)), (4, 6)) == ((0, 4), (2, 5))
  assert math.prod(b - a for a, b in box_of((), ())) == 1
