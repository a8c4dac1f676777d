"""Where a step's time goes: a trace of some steps, and a table of it.

Every moment of the traced steps belongs to the operation that began last and still runs, so that the
parts add up to the whole; the parts of the model come from the names that JAX leaves in the compiled
program.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import jax

PHASES = (  # pattern in an operation's full name -> which part of the step it is
  (r"transpose\(", "backward"),
  (r"jvp\(", "forward"),
)
# In an operation's full name; the first that fits. What is in none of them belongs to the update.
PARTS = (
  "attention_norm", "mlp_norm", "final_norm", "query", "key", "value", "qkv", "out", "gate", "up",
  "gate_up", "down", "router", "experts", "attention", "mlp", "embed", "head",
)  # fmt: skip


def trace(step, folder: Path) -> Path:
  """The .xplane.pb of one call of step(), which must block until it is done. `folder` opens in
  TensorBoard, and the .json.gz in it in ui.perfetto.dev."""
  jax.profiler.start_trace(str(folder), create_perfetto_trace=True)
  try:
    step()
  finally:
    jax.profiler.stop_trace()
  return max(folder.rglob("*.xplane.pb"), key=lambda p: p.stat().st_mtime)


def seconds_by_op(path: Path) -> dict[str, float]:
  """{operation of the compiled program: seconds} of a trace, on its busiest device or thread."""
  found: list[dict[str, float]] = []
  for plane in jax.profiler.ProfileData.from_file(str(path)).planes:
    for line in plane.lines:
      spans = list(_spans(line))
      if spans:
        found.append(_own(spans))
  return max(found, key=lambda ops: sum(ops.values()), default={})


def _spans(line) -> Iterable[tuple[float, float, str]]:
  """(begin, end, operation), nanoseconds. XLA's CPU client marks the end of what runs elsewhere by
  an event "end: operation" of its own."""
  open_: dict[str, list[tuple[float, float]]] = defaultdict(list)
  for event in line.events:
    begin, end = event.start_ns, event.start_ns + event.duration_ns
    if event.name.startswith("end: "):
      name = event.name.removeprefix("end: ")
      if open_[name]:
        since, until = open_[name].pop()
        yield since, max(until, end), name
      continue
    stats = {k: v for k, v in event.stats if k == "hlo_op"}
    if "hlo_op" in stats:
      open_[str(stats["hlo_op"])].append((begin, end))
    elif line.name == "XLA Ops":  # TPU: the whole instruction
      yield begin, end, event.name.split(" ")[0].lstrip("%")
  for name, left in open_.items():
    for since, until in left:
      yield since, until, name


def _own(spans: list[tuple[float, float, str]]) -> dict[str, float]:
  """Seconds that belong to each operation: at any moment, to the one that began last."""
  total: dict[str, float] = defaultdict(float)
  stack: list[tuple[float, str]] = []  # (end, operation)
  at = 0.0

  def until(moment: float) -> None:
    nonlocal at
    while stack and at < moment:
      end, name = stack[-1]
      upto = min(end, moment)
      total[name] += max(0.0, upto - at) / 1e9
      at = max(at, upto)
      if end <= moment:
        stack.pop()
    at = moment

  for begin, end, name in sorted(spans):
    until(begin)
    stack.append((end, name))
  until(max(end for _, end, _ in spans))
  return dict(total)


def full_names(program: str) -> dict[str, str]:
  """{operation: the name that JAX gave it} of a compiled program's text."""
  line = re.compile(r"^\s*(?:ROOT )?%?([\w.\-]+) = .*?op_name=\"([^\"]*)\"", re.M)
  return dict(line.findall(program))


def part_of(full: str) -> tuple[str, str]:
  """(phase, part of the model) of an operation's full name."""
  if "optimizer" not in full and not re.search(r"jvp|transpose", full):
    return "update", "optimizer and clipping"
  phase = next((name for pattern, name in PHASES if re.search(pattern, full)), "forward")
  words = set(re.findall(r"\w+", full))
  part = next((p for p in PARTS if p in words), None)
  if part is None:
    part = "rest of a block" if "layers" in words else "head and loss"
  return phase, part


def table(ops: dict[str, float], names: dict[str, str]) -> list[tuple[str, str, float, float]]:
  """(phase, part, seconds, share), the largest first."""
  sums: dict[tuple[str, str], float] = defaultdict(float)
  for op, seconds in ops.items():
    full = names.get(op)
    sums[part_of(full) if full else ("unnamed", re.sub(r"[.\d]+$", "", op))] += seconds
  whole = sum(sums.values()) or 1.0
  rows = [(*key, seconds, seconds / whole) for key, seconds in sums.items()]
  return sorted(rows, key=lambda row: -row[2])
