"""What a compiled program says of itself: its collectives, with how often each runs and how many
bytes it moves."""

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

KINDS = (
  "all-gather", "all-reduce", "reduce-scatter", "all-to-all", "ragged-all-to-all",
  "collective-permute",
)  # fmt: skip
_BITS = {"pred": 8, "s4": 4, "u4": 4, "s8": 8, "u8": 8, "bf16": 16, "f16": 16, "s16": 16, "u16": 16,
         "f32": 32, "s32": 32, "u32": 32, "f64": 64, "s64": 64, "u64": 64, "c64": 64}  # fmt: skip
_ARRAY = re.compile(r"\b([a-z]+\d*\w*)\[([\d,]*)\]")
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\) -> .* \{$")
_CALLS = re.compile(r"(?:calls|to_apply|body|condition|called_computations|branch_computations|"
                    r"true_computation|false_computation)=\{?((?:%[\w.\-]+(?:, )?)+)")  # fmt: skip
_KNOWN_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_LOOP = re.compile(r" while\(.*condition=%?([\w.\-]+), body=%?([\w.\-]+)")
_OP = re.compile(rf"(?:ROOT )?%?([\w.\-]+) = (.*?) ({'|'.join(KINDS)})(-start)?\((.*)$")


class Collective(NamedTuple):
  """All collectives of one kind in a step."""

  count: int  # how often one runs
  bytes: int  # what one chip sends in all of them, on a ring


def collectives(text: str) -> dict[str, Collective]:
  """{kind: Collective} of an HLO module's text, as `compiled.as_text()` gives it.

  One inside a loop counts as often as the loop runs; one that XLA spreads over several fusions, to
  overlap with computation, counts where it is started. Bytes are what a chip sends if its group stands in a ring,
  which is the least possible: of an all-gather (n - 1) / n of its result, of an all-reduce twice
  that, of a reduce-scatter (n - 1) times its result.
  """
  bodies, entry = _computations(text)
  found: dict[tuple[str, str], _Seen] = {}  # by kind and channel

  def walk(name: str, times: int) -> None:
    lines = bodies.get(name, ())
    starts = any('"AsyncCollectiveStart"' in line for line in lines)
    for line in lines:
      if op := _OP.match(line):
        own, result, kind, started, rest = op.groups()
        n = _group(rest, kind)
        if n > 1:
          channel = re.search(r"channel_id=(\d+)", rest)
          key = kind, channel[1] if channel else own
          sent = _sent(kind, _nbytes(result, bool(started), kind), n)
          seen = found.setdefault(key, _Seen(kind))
          seen.bytes = max(seen.bytes, sent)
          seen.times = max(seen.times, times)
          seen.starts += times if starts else 0
        continue  # An all-reduce calls its sum, in which there is nothing.
      if loop := _LOOP.search(line):
        walk(loop[2], times * _trips(line, bodies.get(loop[1], ())))
        continue
      for called in _CALLS.findall(line):
        for other in called.replace("%", "").split(", "):
          walk(other, times)

  walk(entry, 1)
  totals: dict[str, list] = defaultdict(lambda: [0, 0.0])
  for seen in found.values():
    times = seen.starts or seen.times
    totals[seen.kind][0] += times
    totals[seen.kind][1] += times * seen.bytes
  return {kind: Collective(count, round(size)) for kind, (count, size) in sorted(totals.items())}


@dataclass
class _Seen:
  """What is known of a channel. times: the most often that a part of it runs; starts: how often it is
  started, where XLA says so."""

  kind: str
  times: int = 0
  starts: int = 0
  bytes: float = 0.0


def _trips(line: str, condition: Sequence[str]) -> int:
  """How often a loop runs: as XLA says beside it, or what its condition compares with; 1 where that
  is no number."""
  if known := _KNOWN_TRIPS.search(line):
    return int(known[1])
  numbers = [int(n) for c in condition for n in re.findall(r" s32\[\]\S* constant\((\d+)\)", c)]
  return max(numbers, default=1)


def _computations(text: str) -> tuple[dict[str, list[str]], str]:
  """(the lines of every computation, the entry's name)."""
  bodies: dict[str, list[str]] = {}
  entry, lines = "", []
  for line in text.splitlines():
    if header := _COMPUTATION.match(line):
      lines = bodies.setdefault(header[2], [])
      entry = header[2] if header[1] else entry
    else:
      lines.append(line.strip())
  return bodies, entry


def _nbytes(shapes: str, started: bool, kind: str) -> int:
  """Of a collective's result; the tuple of an asynchronous one holds its operand too, and its result
  last among the arrays."""
  sizes = [
    _BITS.get(dtype, 32) * math.prod(int(d) for d in dims.split(",") if d) // 8
    for dtype, dims in _ARRAY.findall(shapes)
    if dtype in _BITS
  ]
  if started and kind != "all-reduce" and len(sizes) > 1:
    arrays = [s for s in sizes if s > 8]  # without the contexts, which are single numbers
    return max(arrays or sizes)
  return sum(sizes)


def _group(rest: str, kind: str) -> int:
  """How many chips take part together."""
  if kind == "collective-permute":
    return 2
  if listed := re.search(r"replica_groups=\{\{([\d,]+)\}", rest):
    return len(listed[1].split(","))
  if iota := re.search(r"replica_groups=\[(\d+),(\d+)\]<=", rest):
    return int(iota[2])
  if named := re.search(r"replica_groups=@?mesh\w*\[([^\]]*)\] ?\{([^}]*)\}", rest):
    sizes = dict(re.findall(r"'([^']+)'=(\d+)", named[1]))
    return math.prod(int(sizes[axis]) for axis in re.findall(r"'([^']+)'", named[2]))
  return 2


def _sent(kind: str, result: int, n: int) -> float:
  share = (n - 1) / n
  match kind:
    case "all-reduce":
      return 2 * share * result
    case "reduce-scatter":
      return share * result * n
    case "collective-permute":
      return result
    case _:
      return share * result
