"""The table of docs/performance.md, row by row, and what doubling costs.

    python scripts/benchmark.py --suite=FOLDER

Each row is one side or two, in turn, each in a process of its own; its numbers are kept in
FOLDER/rows.jsonl, so that the same command goes on where it was stopped (delete the file, or a line
of it, to measure anew). Rows are printed as Markdown as they are done.
"""

import json
import os
import platform
import tempfile
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from ftjax.config import InputError
from ftjax.research import benchmark

STEPS = {"steps": 4, "seconds": 25.0}


@dataclass(frozen=True)
class Row:
  """One line of the table. bar: what the ratio of `metric` should reach (below: at most)."""

  name: str
  options: dict[str, Any]
  peer: str = ""
  bar: float = 0.0
  metric: str = "tokens_per_second"
  peer_options: dict[str, Any] = field(default_factory=dict)


def _train(mode: str, dtype: str = "float32", **more) -> dict[str, Any]:
  return {"mode": mode, "dtype": dtype, "batch": 4, "length": 512, "rows": "full"} | STEPS | more


_F32 = {"dtype": "float32"}
_UNEVEN = dict(batch=16, length=256, rows="uneven")
_PEERS = "trl", "trl-packing", "trl-default", "trl-default-packing"
ROWS = (
  Row("full f32 / TRL f32", _train("full"), "trl", 2.2),
  Row("full bf16 / TRL f32", _train("full", "bfloat16"), "trl", 2.2, peer_options=_F32),
  Row("full bf16 / TRL bf16", _train("full", "bfloat16"), "trl", 1.15),
  Row("LoRA f32 / TRL f32", _train("lora"), "trl", 2.2),
  Row("LoRA bf16 / TRL f32", _train("lora", "bfloat16"), "trl", 2.2, peer_options=_F32),
  Row("LoRA bf16 / TRL bf16", _train("lora", "bfloat16"), "trl", 1.4),
  Row("full f32 / Tunix", _train("full"), "tunix", 1.6),
  Row("LoRA f32 / Tunix", _train("lora"), "tunix", 1.9),
  *(
    Row(
      f"E2E rows {mode} {dtype} / {peer}", _train(mode, dtype, **_UNEVEN), peer,
      5.0 if "packing" in peer else 4.0, "supervised_tokens_per_second",
    )
    for dtype, peers in (("float32", ("trl", "trl-packing")), ("bfloat16", _PEERS))
    for peer in peers for mode in ("full", "lora")
  ),
  *(
    Row(
      f"generate, batch {batch} / transformers",
      {"mode": "generate", "dtype": "float32", "batch": batch, "length": 64, "new": 128, "steps": 2, "seconds": 20.0},
      "transformers", 2.0,
    )
    for batch in (1, 8, 32)
  ),
)  # fmt: skip
HEAD = (
  "| row | ours | peer | ratio | bar | memory ratio | start to first step, ours / peer | share of GEMM peak |\n"
  "|---|---|---|---|---|---|---|---|"
)


def suite(folder: str, only: list[str], python: str) -> None:
  """Prints the table. only: the beginnings of the names of the rows to run; [] = all. python: the
  interpreter that has Tunix, for its rows alone; "" = this one."""
  path = Path(folder)
  path.mkdir(parents=True, exist_ok=True)
  print(f"{_machine()}\n\n{HEAD}", flush=True)
  kept = path / "rows.jsonl"
  lines = kept.read_text(encoding="utf-8").splitlines() if kept.is_file() else []
  done = {row["name"]: row["found"] for row in map(json.loads, lines)}
  for row in ROWS:
    if only and not row.name.startswith(tuple(only)):
      continue
    if row.name not in done:
      try:
        done[row.name] = _measure(row, path, python)
      except InputError as e:
        print(f"| {row.name} | not measured: {e} |", flush=True)
        continue
      with open(kept, "a", encoding="utf-8") as f:
        f.write(json.dumps({"name": row.name, "found": done[row.name]}) + "\n")
    print(_line(row, done[row.name]), flush=True)


def _measure(row: Row, path: Path, python: str) -> dict[str, dict]:
  python = python if row.peer == "tunix" else ""  # The other peers are beside ftjax.
  turns = partial(benchmark.turns, scratch=path, python=python)
  cache = str(path / "compiled")
  if not row.peer_options:
    return turns(row.peer, **row.options, cache=cache)
  ours = turns(None, **row.options, cache=cache)
  theirs = turns(row.peer, **(row.options | row.peer_options), cache=cache, ours=False)
  return ours | theirs | {"ratio": benchmark.ratio(ours["ftjax"], theirs[row.peer])}


def _line(row: Row, found: dict[str, dict]) -> str:
  ours, theirs, ratio = found["ftjax"], found[row.peer], found["ratio"]
  memory = next((ratio[k] for k in ("peak_rss_bytes", "peak_device_bytes") if k in ratio), None)
  share = ours.get("share_of_gemm_peak")
  cells = [
    row.name, f"{ours[row.metric]:,.0f}/s", f"{theirs[row.metric]:,.0f}/s",
    f"{ratio[row.metric]:.2f}", f"{row.bar:g}", "" if memory is None else f"{memory:.2f}",
    f"{ours['first_step_seconds']:.1f} s / {theirs['first_step_seconds']:.1f} s",
    "" if share is None else f"{share:.2f} of {ours['gemm_peak_flops'] / 1e9:,.0f} GFLOP/s",
  ]  # fmt: skip
  return "| " + " | ".join(cells) + " |"


def _machine() -> str:
  info = Path("/proc/cpuinfo")
  lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
  name = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")
  versions = []
  for package in ("jax", "torch", "transformers", "trl", "peft"):
    try:
      versions.append(f"{package} {metadata.version(package)}")
    except metadata.PackageNotFoundError:
      versions.append(f"no {package}")
  return f"{os.cpu_count()} cores ({name or platform.processor()}), {', '.join(versions)}"


# What doubles: changes to the model's config.json and to the run.
_HALF = {"hidden_size": 256, "intermediate_size": 704, "num_attention_heads": 4, "num_key_value_heads": 2}  # fmt: skip
DOUBLINGS = (
  ("as it is (2 x 256, 4 layers, width 256)", {}, {}),
  ("batch x 2", {}, {"batch": 4}),
  ("length x 2", {}, {"length": 512}),
  ("depth x 2", {"num_hidden_layers": 8}, {}),
  ("width x 2", {"hidden_size": 512, "intermediate_size": 1408, "num_attention_heads": 8, "num_key_value_heads": 4}, {}),
)  # fmt: skip


def scaling(steps: int = 4) -> None:
  """Prints, for a small model, what a step costs when one thing doubles, beside what the formula of
  models/flops.py says."""
  from ftjax.models import flops
  from ftjax.models.families import llama

  print(
    "| | step | x | FLOPs x | peak memory | x | compile |\n|---|---|---|---|---|---|---|",
    flush=True,
  )
  first: tuple[float, float, float] | None = None
  with tempfile.TemporaryDirectory() as scratch:
    for i, (name, model, run) in enumerate(DOUBLINGS):
      changes = _HALF | {"num_hidden_layers": 4} | model
      folder = benchmark.random_model(Path(scratch) / f"model-{i}", benchmark.LLAMA_56M | changes)
      options = _train("full", batch=2, length=256, steps=steps) | run
      found = benchmark.turns(None, model=str(folder), scratch=Path(scratch), **options)["ftjax"]
      tokens = options["batch"] * options["length"]
      config = llama.config(benchmark.LLAMA_56M | changes)
      needed = flops.training(config, options["length"], frozen=False).step(tokens, tokens)
      own = found["step_seconds"], needed, found["peak_rss_bytes"]
      first = first or own
      seconds, count, memory = (a / b for a, b in zip(own, first, strict=True))
      print(
        f"| {name} | {own[0]:.3f} s | {seconds:.2f} | {count:.2f} | {own[2] / 1e9:.2f} GB | {memory:.2f} "
        f"| {found['compile_seconds']:.1f} s |",
        flush=True,
      )
