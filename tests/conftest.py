"""Strict settings for every test: eight fake CPU devices, warnings are errors, rank promotion
raises."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"  # every test compiles what it tests
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch on tiny models: threads only wait
os.environ["XLA_FLAGS"] = (
  os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
).strip()
if "xla_backend_optimization_level" not in os.environ["XLA_FLAGS"]:
  # LLVM's passes over thousands of tiny programs would take a fifth of the suite's time; .ci/run gives
  # slow tests of whole programs the level that users have.
  # Without XLA's newer emitters of fused loops a program compiles in a third of the time; in .ci/run
  # those tests have these too.
  os.environ["XLA_FLAGS"] += (
    " --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    " --xla_cpu_use_fusion_emitters=false"
  )

import gc
import pathlib

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


MAPS = pathlib.Path("/proc/self/maps")
MOST_MAPS = 20_000


@pytest.fixture(scope="module", autouse=True)
def few_programs():
  """Lets compiled programs go now and then: Linux gives a process 65,530 memory maps, each program
  takes some, and XLA aborts when there are none left."""
  yield
  if MAPS.is_file() and MAPS.read_bytes().count(b"\n") > MOST_MAPS:
    jax.clear_caches()
    gc.collect()


@pytest.fixture(scope="session")
def shared() -> pathlib.Path:
  """The folder of real models, data and reference curves; a clone without it skips what needs
  it."""
  if not (SHARED / "models").is_dir():
    pytest.skip(f"needs {SHARED}, which this clone does not have")
  return SHARED


@pytest.fixture(scope="session")
def root() -> pathlib.Path:
  """The repository."""
  return ROOT


def pytest_terminal_summary(terminalreporter):
  """The table of families, from what tests/models/test_table.py recorded (in any process)."""
  reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
  rows = dict(
    value
    for r in reports
    if r.when == "call"
    for key, value in r.user_properties
    if key == "family"
  )
  if not rows:
    return
  columns = list(next(iter(rows.values())))
  width = max(map(len, rows))
  cell = lambda x: f"{'-' if x is None else f'{x:.1e}':>9}"
  terminalreporter.section("families against transformers (tests/models/test_table.py)")
  terminalreporter.line(" " * width + "".join(f"{c:>9}" for c in columns))
  for name, row in rows.items():
    terminalreporter.line(f"{name:<{width}}" + "".join(cell(row[c]) for c in columns))
