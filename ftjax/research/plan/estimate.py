"""What a step can be expected to need, by formula: where nothing is compiled, and to choose what to
compile. Everything here is an estimate."""

from dataclasses import dataclass

from ftjax.models import flops
from ftjax.models.config import ModelConfig
from ftjax.parallel.chips import Chip
from ftjax.research.plan.hlo import Collective

CHUNK = 512  # tokens of a device in a chunk of the loss: train.step.make_loss

# What unpacking a number of a quantized matrix costs, in FLOPs of a matrix unit: some ten operations
# of a vector unit, which does a thirty-second as many in a cycle (4 x 8 x 128 lanes beside four times
# 128 x 128 products, each of two FLOPs: jax-ml.github.io/scaling-book/tpus).
UNPACK = 320


@dataclass(frozen=True)
class Shape:
  """What decides a step's activations on one device. rows: of the device; length: its part of a
  row's tokens. tensor, sequence: the mesh's axes. width: bytes of a number in the computation.
  gathered: whether parameters are split and gathered where they are used."""

  rows: float
  length: float
  tensor: int = 1
  sequence: int = 1
  width: int = 2
  gathered: bool = False
  remat: str = "block"
  frozen: bool = False  # matrices get no gradients: an adapter is trained
  quantized: bool = False  # matrices are written out in full before they are multiplied

  @property
  def tokens(self) -> float:
    return self.rows * self.length

  @property
  def row(self) -> float:
    """Tokens of a whole row."""
    return self.length * self.sequence

  @property
  def passes(self) -> int:
    """How often a block's matrices are used: forward, backward, and forward again for that."""
    return 2 if self.remat == "none" else 3


def activations(c: ModelConfig, s: Shape, flash: bool = True) -> float:
  """Bytes on a device beside parameters and optimizer.

  What each layer keeps, the working set of the layer that is being differentiated, the matrices of
  two layers where they are gathered, and the loss's chunk. flash: attention keeps no [T, T] array.
  """
  heads, mlp = (c.N + 2 * c.K) * c.H / s.tensor, _mlp_width(c) / s.tensor
  attended = c.N * c.H / s.tensor
  whole = 6 * c.D + 2 * heads + attended + (3 if c.gated else 2) * mlp
  keeps = {
    "none": whole,
    "dots": c.D + heads + attended + c.D + 2 * mlp,
    "block": c.D + attended,
    "offload": attended,
  }[s.remat]
  kept = c.L * s.tokens * (keeps * s.width + 4 * c.N / s.tensor)
  working = s.tokens * s.width * (2 * whole if s.remat != "none" else whole)
  if not flash:
    scores = 4 * s.rows * c.N / s.tensor * s.length * s.row
    kept += c.L * scores if s.remat == "none" else 0
    working += 3 * scores
  layers = 2 * _layer(c) * s.width / s.tensor if s.gathered else 0
  if not s.frozen:
    layers += 2 * _layer(c) * s.width / s.tensor  # gradients, before they are scattered
  V = c.V / s.tensor
  loss = 3 * 4 * min(CHUNK, s.tokens) * V + 2 * s.tokens * c.D * s.width
  head = V * c.D * (s.width if s.gathered else 0) + (0 if s.frozen else 4 * V * c.D)
  return kept + working + layers + loss + head


def _mlp_width(c: ModelConfig) -> float:
  return c.F * c.experts.per_token if c.experts else c.F


def _layer(c: ModelConfig) -> float:
  """Numbers in the matrices of one block."""
  experts = c.experts.count if c.experts else 1
  return c.D * c.H * (2 * c.N + 2 * c.K) + experts * c.D * c.F * (3 if c.gated else 2)


@dataclass(frozen=True)
class Time:
  """Seconds of a step on one chip, each as if it were alone at the chip's peak."""

  flops: float  # that the mathematics needs, of this chip's share
  compute: float  # with what is computed twice
  memory: float
  network: float

  @property
  def least(self) -> float:
    """If everything overlaps."""
    return max(self.compute, self.memory, self.network)

  @property
  def most(self) -> float:
    """If nothing does (at peak rates nevertheless)."""
    return self.compute + self.memory + self.network


def collectives(
  c: ModelConfig, s: Shape, *, sharded: int, held: int, trained: int, accumulate: int
) -> dict[str, Collective]:
  """What one device sends in a step, if its group stands in a ring: the collectives that a mesh cannot
  do without.

  sharded: over how many devices parameters are split: gathered in each pass, gradients scattered.
  Over `tensor` each block's two outputs are summed in each pass; over `sequence` each block's keys
  and values are gathered in each pass, their gradients scattered. held, trained: bytes of one
  device.
  """
  found = {}
  if sharded > 1:
    sent = (s.passes * accumulate * held + trained) * (sharded - 1)
    found["all-gather"] = Collective(0, sent)
  if s.tensor > 1:
    sums = 2 * s.passes * c.L * accumulate
    ring = 2 * (s.tensor - 1) / s.tensor
    found["all-reduce"] = Collective(0, int(sums * s.tokens * c.D * s.width * ring))
  if s.sequence > 1:
    own = 2 * s.tokens * c.K * c.H * s.width / s.tensor
    sent = (s.passes + 1) * c.L * accumulate * own * (s.sequence - 1)
    found["keys and values"] = Collective(0, int(sent))
  return found


def time(
  c: ModelConfig,
  s: Shape,
  chip: Chip,
  *,
  accumulate: int,
  parts: int,
  state_bytes: float,
  collectives: dict[str, Collective],
) -> Time:
  """A step's roofline (Williams et al. 2009).

  parts: devices that share a token's work (the mesh's tensor axis). state_bytes: parameters that are
  trained, with gradients and moments, of one device: read and written once. Weights are read once a
  pass, activations of a layer about twice.
  """
  tokens = s.tokens * accumulate
  needed = flops.training(c, s.row, frozen=s.frozen)
  wanted = needed.step(tokens, tokens) / parts
  again = 0.0
  if s.remat in ("block", "offload", "dots"):
    active = c.L * (c.D * c.H * (2 * c.N + 2 * c.K) + c.D * _mlp_width(c) * (3 if c.gated else 2))
    again = 2.0 * active * tokens / parts * (0 if s.remat == "dots" else 1)
  matrices = c.L * _layer(c) / parts * s.passes * accumulate
  unpacked = matrices * UNPACK if s.quantized else 0
  moved = 2 * tokens * s.width * c.L * (8 * c.D + 3 * (c.N + 2 * c.K) * c.H + 4 * _mlp_width(c))
  sent = sum(x.bytes for x in collectives.values())
  return Time(
    flops=wanted,
    compute=(wanted + again + unpacked) / chip.flops,
    memory=(matrices * s.width * (2 if s.quantized else 1) + moved / parts + 2 * state_bytes)
    / chip.memory,
    network=sent / chip.links,
  )
