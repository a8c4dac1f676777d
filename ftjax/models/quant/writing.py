"""A checkpoint written with its kernels quantized, one matrix after the other: in full there is never more
than one tensor of it."""

import functools
import itertools
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ftjax import log, tree
from ftjax.models import export
from ftjax.models.config import Weight
from ftjax.models.formats.stored import READABLE, Stored
from ftjax.models.hf import Checkpoint
from ftjax.models.quant import base, written
from ftjax.models.quant.reading import Kernel
from ftjax.models.reading import Reader
from ftjax.models.tensors import names_of, our_shape, places_of, to_ours


def write(
  folder: Path,
  checkpoint: Checkpoint,
  quantized: written.Quantized,
  *,
  dtype: str = "",
  shard_bytes: int = export.SHARD_BYTES,
) -> None:
  """Writes the folder, all of it or nothing, with the files that go along.

  Reading it gives what reading `checkpoint` with this format gives without a mesh, to the bit. dtype: of
  what is not quantized; "" leaves each tensor as it is.
  """
  c, leaves, dtypes = checkpoint, {}, {}
  table = written.lines(c.table, c.config, quantized.format)
  for line in table:
    for name in names_of(line, c.config):
      dtypes[name] = READABLE[line.dtype or c.stored[name].dtype]
      if dtype and not line.dtype:
        dtypes[name] = np.dtype(dtype)
  total = sum(4 * math.prod(our_shape(w, c.config)) for w in c.table)
  what = f"quantizing {c.folder.name} to {quantized.format}"
  with log.Transfer(what, total) as transfer, Reader(transfer.add) as reader:
    for weight in c.table:
      if base.quantized(weight.name):
        matrices = _Matrices(weight, c, quantized.format, reader)
        for line in written.leaves(weight, c.config, quantized.format):
          part = line.path.rpartition("/")[2]
          get = functools.partial(matrices.get, part)
          leaves[line.name] = export.Lazy(READABLE[line.dtype], get)
      else:
        names = {export.index_of(i): n for n, i in places_of(weight, c.config).items()}
        stored = {i: c.stored[n] for i, n in names.items()}
        get = functools.partial(_full, weight, c, stored, transfer.add)
        leaves[weight.name] = export.Lazy(np.float32, get)  # `dtypes` says what it is written as.
    export.write(
      folder,
      tree.unflatten(leaves),
      c.config,
      table,
      c.hf_config | {written.KEY: written.settings(quantized)},
      c.folder,
      shard_bytes,
      dtypes=dtypes,
      stem=written.STEM,
    )


def _full(
  weight: Weight,
  c: Checkpoint,
  stored: Mapping[tuple, Stored],
  progress: Callable[[int], None],
  index: tuple[int | slice, ...],
) -> np.ndarray:
  """A tensor as it is, in our layout."""
  tensor = stored[index]
  progress(4 * math.prod(tensor.shape))
  return to_ours(tensor.read(tuple((0, n) for n in tensor.shape)), weight, c.config)


class _Matrices:
  """One kernel's matrices, each of which is quantized when the first of its leaves is asked for, and
  kept until the next one."""

  def __init__(self, weight: Weight, checkpoint: Checkpoint, kind: str, reader: Reader):
    self._kernel = Kernel(weight, checkpoint.config, kind, None)
    self._reader, self._stored = reader, checkpoint.stored
    self._at: tuple[int, ...] | None = None
    self._found: dict[str, np.ndarray] = {}

  def get(self, part: str, index: tuple[int | slice, ...]) -> np.ndarray:
    """leaf[index] of the leaf whose name ends in `part`: of the layer (and expert) that the index
    begins with, or of all a layer's experts where it has none."""
    lead = self._kernel.lead
    at = tuple(itertools.takewhile(lambda i: isinstance(i, int), index[: len(lead)]))
    if at != self._at:
      self._found, left = {}, lead[len(at) :]
      matrix = lambda rest: self._kernel.matrix(self._reader, self._stored, at + rest)
      every = [matrix(rest) for rest in np.ndindex(*left)]
      for name, x in every[0].items():
        self._found[name] = np.stack([one[name] for one in every]).reshape(*left, *x.shape)
      self._at = at
    return self._found[part][index[len(at) :]]
