"""Plans compared: meshes, rows per device, remat, quantized bases and slices, all of them by formula,
and the few best ones compiled."""

import copy
import itertools
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from ml_collections import ConfigDict

from ftjax import apart, planning
from ftjax.config import InputError
from ftjax.models.quant.codes import KINDS
from ftjax.parallel import topology as topologies
from ftjax.parallel.chips import GPUS
from ftjax.parallel.topology import Topology
from ftjax.pretrained import resolved

COMPILES = 3  # at most, for the fastest plan; and as many for the smallest slice
REMATS = ("none", "dots", "block", "offload")
# Slices that can be had, in the order of their size (cloud.google.com/tpu/docs, "TPU versions").
FLAT = ("1x1", "2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
CUBES = (
  "2x2x1", "2x2x2", "2x2x4", "2x4x4", "4x4x4", "4x4x8", "4x8x8", "8x8x8", "8x8x16", "8x16x16",
)  # fmt: skip
# How far the formula may be above the memory for a plan still to be tried, and how far below it has to
# be to count as fitting where nothing is compiled.
HOPE, MARGIN = 1.3, 0.9


@dataclass(frozen=True)
class Candidate:
  """A plan: what it changes of the config, and what the formula says of it."""

  overrides: dict[str, Any]
  guess: planning.Planned

  @property
  def flags(self) -> str:
    """The changes as a command line has them."""
    return " ".join(f"--config.{key}={value}" for key, value in self.overrides.items())

  @property
  def seconds(self) -> float:
    """Of an update, between the best case and the worst."""
    t = self.guess.estimated
    return 0.7 * t.least + 0.3 * t.most if t else 0.0


@dataclass(frozen=True)
class Found:
  """The fastest-looking plan that fits the topology, and the smallest slice that any fits; None
  where there is none."""

  tried: int
  compiled: int
  fastest: dict[str, Any] | None = None
  smallest: dict[str, Any] | None = None
  refused: list[str] = field(default_factory=list)

  def lines(self) -> list[str]:
    """For people, in Markdown."""
    out = [f"{self.tried:,} plans by formula, {self.compiled} compiled.", ""]
    for title, one in (("Fastest", self.fastest), ("Smallest slice", self.smallest)):
      if one is None:
        out.append(f"- {title}: none fits.")
        continue
      plan = one["plan"]
      share = plan["peak_bytes_per_chip"] / plan["usable_bytes_per_chip"]
      out += [f"- {title}: {plan['topology']}, {share:.0%} of a device's memory", "", "      "
              f"--topology={plan['topology']} {one['flags']}", ""]  # fmt: skip
    return out + [f"- did not fit: {x}" for x in self.refused]


def search(config: ConfigDict, topology: str, say: Callable[[str], None] = print) -> Found:
  """Looks for plans of the same training (the rows of an update stay as many) on a topology and on
  smaller slices of its chip. Raises InputError for bad config."""
  where = topologies.parse(topology, GPUS)
  config = resolved(config, planning.described(config).opened)
  models: dict[str, planning.Model] = {}
  parts: dict[tuple, tuple[int, int, int]] = {}
  tried = compiled = 0
  refused: list[str] = []

  def candidates(where: Topology) -> list[Candidate]:
    nonlocal tried
    found = []
    for overrides in _overrides(config, where):
      changed = _changed(config, overrides)
      quantize = changed.model.quantize
      try:
        if quantize not in models:
          models[quantize] = planning.described(changed)
        mesh = planning.abstract_mesh(changed, _devices(where))
        key = quantize, mesh.axis_sizes
        if key not in parts:
          parts[key] = planning.held(changed, models[quantize], mesh)
        guess = planning.by_formula(changed, where, models[quantize], mesh.size, parts[key])
      except InputError:
        continue  # Rows that do not divide, and the like.
      tried += 1
      found.append(Candidate(overrides, guess))
    return found

  def first_that_fits(ordered: list[Candidate], where: Topology, most: int) -> dict | None:
    nonlocal compiled
    for one in ordered[:most]:
      if where.platform == "gpu":
        plan = one.guess
      else:
        say(f"compiling for {where.name}: {one.flags or 'the config as it is'}")
        compiled += 1
        changed = _changed(config, one.overrides)
        try:
          plan = planning.compiled(changed, where, models[changed.model.quantize])
        except apart.Crashed as e:
          say(str(e))
          refused.append(f"{where.name} {one.flags}")
          continue
      if plan.fits:
        return {"overrides": one.overrides, "flags": one.flags, "plan": asdict(plan)}
      refused.append(f"{where.name} {one.flags}")
    return None

  bound = MARGIN if where.platform == "gpu" else 1.0
  usual = candidates(where)
  fitting = sorted((c for c in usual if _share(c) <= bound), key=lambda c: c.seconds)
  say(f"{len(usual)} plans for {topology} by formula, {len(fitting)} of them look as if they fit")
  fastest = first_that_fits(fitting, where, COMPILES)
  smallest, left = None, COMPILES
  for name in _smaller(where):
    leaner = sorted(candidates(smaller := topologies.parse(name, GPUS)), key=_share)
    if smallest or not left or not leaner or _share(leaner[0]) > HOPE:
      continue
    left -= 1
    smallest = first_that_fits(leaner, smaller, 1)
  return Found(tried, compiled, fastest, smallest or fastest, refused)


def _share(c: Candidate) -> float:
  return c.guess.peak_bytes_per_chip / c.guess.usable_bytes_per_chip


def _overrides(config: ConfigDict, where: Topology) -> Iterator[dict[str, Any]]:
  """Every change to try. The mesh is fsdp x sequence x tensor x expert; pure copies (data) are left
  to those who know that they have the memory."""
  count, t = _devices(where), config.train
  rows = t.batch_size * t.accumulate
  quantize = [config.model.quantize]
  if config.adapter.kind != "none" and not config.model.quantize:
    quantize += [k for k in KINDS if k != "int4"]
  powers = [2**i for i in range(count.bit_length()) if count % 2**i == 0]
  for tensor, sequence, remat, kind in itertools.product(powers, powers, REMATS, quantize):
    if count % (tensor * sequence) or tensor > 8 or sequence > 16:
      continue
    fsdp = count // (tensor * sequence)
    if rows % fsdp:
      continue
    for per_device in (2**i for i in range(12)):
      size = per_device * fsdp
      if rows % size:
        continue
      yield {
        "mesh.data": 1, "mesh.fsdp": fsdp, "mesh.sequence": sequence, "mesh.tensor": tensor,
        "mesh.expert": 1, "train.batch_size": size, "train.accumulate": rows // size,
        "train.remat": remat, "model.quantize": kind,
      }  # fmt: skip


def _changed(config: ConfigDict, overrides: dict[str, Any]) -> ConfigDict:
  changed = copy.deepcopy(config)
  with changed.unlocked():
    changed.update_from_flattened_dict(overrides)
  return changed


def _devices(where: Topology) -> int:
  return 2 * where.count if where.chip == "tpu7x" else where.count


def _smaller(where: Topology) -> list[str]:
  """The slices of the same chip that have fewer devices, the smallest first."""
  if where.platform == "tpu":
    shapes = FLAT if len(where.shape) == 2 else CUBES
    names = [f"{where.chip}:{shape}" for shape in shapes]
  else:
    names = [f"{where.chip}:{2**i}" for i in range(10)]
  return [n for n in names if topologies.parse(n, GPUS).count < where.count]
