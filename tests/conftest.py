"""Strict settings for every test: eight fake CPU devices, warnings are errors, rank promotion
raises."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["XLA_FLAGS"] = (
  os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
).strip()

import pathlib

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


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
