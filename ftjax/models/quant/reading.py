"""A checkpoint's kernels quantized while they are read, one matrix after the other: in full there is
never more than one of them, of which this process reads what its devices keep."""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Sharding

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.formats.stored import Box, Stored
from ftjax.models.quant import base, codes
from ftjax.models.reading import Reader, box_of, memory, size_of
from ftjax.models.tensors import our_shape, places_of

Place = Callable[[str, Any], Sharding] | None


class Kernel:
  """One line of the weight table that is read as the leaves of quant/...

  lead: how many matrices there are, in layers and experts. boxes: of each leaf, what this process
  keeps. need: the part of the kernel that they are made of, as a box.
  """

  def __init__(self, weight: Weight, config: ModelConfig, kind: str, place: Place):
    self._weight, self._config, self._kind = weight, config, kind
    name, shape = "params/" + weight.path, our_shape(weight, config)
    self.lead, self._inputs, self._outputs = base.sides(name, shape)
    self._structs = base.structs(name, shape, kind)
    self._places = {n: place(n, x) if place else None for n, x in self._structs.items()}
    self._group = self._outputs[-1] // codes.groups(self._outputs[-1])
    self.boxes = {n: _boxes(self._places[n], x.shape) for n, x in self._structs.items()}
    self.need = self._need()
    self._tensors = _by_matrix(places_of(weight, config), len(self.lead))

  @property
  def nbytes(self) -> int:
    """What a Reader's progress will count."""
    return size_of(self.need) * 4

  def read(self, reader: Reader, stored: Mapping[str, Stored]) -> dict[str, jax.Array]:
    """{name: leaf}, each where it lives."""
    parts = {
      (n, box): memory(size_of(box), x.dtype).reshape([b - a for a, b in box])
      for n, x in self._structs.items()
      for box in self.boxes[n]
    }
    n = len(self.lead)
    for at in np.ndindex(*self.lead):
      if not all(a <= i < b for i, (a, b) in zip(at, self.need[:n], strict=True)):
        continue
      found = self.matrix(reader, stored, at)
      for (name, box), part in parts.items():
        self._put(found[name.rpartition("/")[2]], at, part, box)
    leaves = {}
    for name, x in self._structs.items():
      place, mine = self._places[name], {b: p for (n, b), p in parts.items() if n == name}
      pick = lambda index, mine=mine, shape=x.shape: mine[box_of(index, shape)]
      if place:
        leaf = jax.make_array_from_callback(x.shape, place, pick)
      else:
        leaf = jax.device_put(*mine.values())
      leaves[name] = jax.block_until_ready(leaf)
    return leaves

  def matrix(
    self, reader: Reader, stored: Mapping[str, Stored], at: tuple[int, ...]
  ) -> dict[str, np.ndarray]:
    """{the end of a leaf's name: its numbers} of the part that is needed of the matrix at these
    indices of layers and experts."""
    box = tuple((i, i + 1) for i in at) + self.need[len(self.lead) :]
    where = self._tensors(at)
    parts = reader.parts(self._weight, self._config, stored, {box}, np.float32, places=where)
    read = parts[box]
    outputs = read.shape[-len(self._outputs) :]
    return _quantize(read.reshape(-1, *outputs), self._kind, self._group)

  def _put(self, found: np.ndarray, at: tuple[int, ...], part: np.ndarray, box: Box) -> None:
    """Writes of one matrix's leaf what belongs into a part of the whole one."""
    n = len(self.lead)
    if not all(a <= i < b for i, (a, b) in zip(at, box[:n], strict=True)):
      return
    outputs = self.need[-len(self._outputs) :]
    starts = [a for a, _ in outputs]
    inside = len(box) - n - len(outputs)  # dims of inputs and of blocks
    if found.shape[-1] != outputs[-1][1] - outputs[-1][0]:  # groups
      starts[-1] //= self._group
    first = self._span()[0]
    front = [] if not inside else [first if self._kind == codes.INT8 else first // codes.BLOCK]
    starts = front + [0] * (inside - len(front)) + starts
    index = tuple(slice(a - o, b - o) for (a, b), o in zip(box[n:], starts, strict=True))
    part[tuple(i - a for i, (a, _) in zip(at, box[:n], strict=True))] = found[index]

  def _need(self) -> Box:
    """The smallest box of the kernel that all leaves' boxes can be made of."""
    n, last = len(self.lead), self._outputs[-1]
    size = math.prod(self._inputs)
    spans = []
    for name, boxes in self.boxes.items():
      part = name.rpartition("/")[2]
      for box in boxes:
        lead, rest = box[:n], box[n:]
        inputs, outputs = (0, size), list(rest[-len(self._outputs) :])
        if self._kind != codes.INT8:  # A column of int8 has one scale for all its inputs.
          inputs = rest[0][0] * codes.BLOCK, min(size, rest[0][1] * codes.BLOCK)
          a, b = outputs[-1]
          g = 1 if part in ("step", "mean") else self._group
          outputs[-1] = a // g * self._group, min(last, -(-b // g) * self._group)
        spans.append((*lead, inputs, *outputs))
    hull = tuple((min(a for a, _ in d), max(b for _, b in d)) for d in zip(*spans, strict=True))
    return *hull[:n], *self._as_dims(hull[n]), *hull[n + 1 :]

  def _as_dims(self, span: tuple[int, int]) -> Box:
    """A span of the flat inputs as a box of their dims, perhaps a larger one; blocks stay whole."""
    each = math.prod(self._inputs[1:])
    first, last = span[0] // each, -(-span[1] // each)
    if first * each % codes.BLOCK:
      first = 0
    if last * each % codes.BLOCK:
      last = self._inputs[0]
    return (first, last), *((0, size) for size in self._inputs[1:])

  def _span(self) -> tuple[int, int]:
    """`need` along the flat inputs."""
    n, each = len(self.lead), math.prod(self._inputs[1:])
    return self.need[n][0] * each, self.need[n][1] * each


def _boxes(place: Sharding | None, shape: tuple[int, ...]) -> set[Box]:
  whole = (slice(None),) * len(shape)
  indices = place.addressable_devices_indices_map(shape).values() if place else [whole]
  return {box_of(index, shape) for index in indices}


def _by_matrix(places: Mapping[str, tuple[int | slice, ...]], lead: int):
  """fn(at): of the checkpoint's tensors those that the matrix at these indices is read from."""
  found: dict[tuple, dict[str, tuple]] = {}
  for name, place in places.items():
    found.setdefault(tuple(i for i in place[:lead] if isinstance(i, int)), {})[name] = place
  numbered = [isinstance(i, int) for i in next(iter(places.values()))[:lead]]
  return lambda at: found[tuple(i for i, is_ in zip(at, numbered, strict=True) if is_)]


@functools.cache
def _host():
  """The CPU, where JAX has it, else the device that it would use."""
  try:
    return jax.local_devices(backend="cpu")[0]
  except RuntimeError:
    return jax.local_devices()[0]


_jitted = jax.jit(codes.quantize, static_argnames=("kind", "group"))


def _quantize(w: np.ndarray, kind: str, group: int) -> dict[str, np.ndarray]:
  with jax.default_device(_host()):
    return {n: np.asarray(x) for n, x in _jitted(kind=kind, w=w, group=group).items()}
