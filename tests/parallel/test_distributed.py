"""How processes find each other, and what a process has of a batch."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from ftjax.config import InputError
from ftjax.parallel import compilation, distributed
from ftjax.parallel.distributed import by_hand, on_cluster


def test_flags_win_over_the_environment_and_nothing_given_is_nobody():
  env = {"JAX_COORDINATOR_ADDRESS": "a:1", "JAX_NUM_PROCESSES": "4", "JAX_PROCESS_ID": "3"}
  assert by_hand(None, None, None, {}) is None
  assert by_hand(None, None, None, env) == ("a:1", 4, 3)
  assert by_hand("b:2", None, 0, env) == ("b:2", 4, 0)


WRONG = {
  (
    None,
    2,
    None,
  ): r"--coordinator \(or JAX_COORDINATOR_ADDRESS\) and --process \(or JAX_PROCESS_ID\) missing",
  ("a:1", None, 0): r"--processes \(or JAX_NUM_PROCESSES\) missing",
  ("a:1", 2, 2): "--process=2 must be below --processes=2",
  ("a", 2, 0): "--coordinator='a' must be HOST:PORT",
  ("a:1", "two", 0): "--processes .* is 'two', and must be a whole number",
}


@pytest.mark.parametrize("given", WRONG)
def test_what_cannot_be_is_said(given):
  with pytest.raises(InputError, match=WRONG[given]):
    by_hand(*given, {})


SLURM = {"SLURM_STEP_NODELIST": "n[1-2]", "SLURM_PROCID": "0"}
ALONE = (
  {},
  {"SLURM_NTASKS": "4", "JAX_PLATFORMS": "cpu"},  # an allocation, outside of srun
  SLURM | {"SLURM_NTASKS": "1", "JAX_PLATFORMS": "cuda"},
  {"TPU_WORKER_HOSTNAMES": "localhost"},
  {"MEGASCALE_NUM_SLICES": "2", "JAX_PLATFORMS": "cpu"},
  {"COLAB_RELEASE_TAG": "1"},
  {"TPU_SKIP_MDS_QUERY": "1"},
)


def refuse(key):
  raise AssertionError("asked the metadata server")


@pytest.mark.parametrize("environ", ALONE)
def test_one_process_is_alone_and_asks_nobody(environ, monkeypatch):
  monkeypatch.setattr(distributed, "_metadata", refuse)
  monkeypatch.setattr(distributed, "_has_chips", lambda: True)
  if environ:
    assert on_cluster(environ) == ""
  monkeypatch.setattr(distributed, "_has_chips", lambda: False)
  assert on_cluster(environ) == ""


def test_clusters_are_known(monkeypatch):
  assert on_cluster(SLURM | {"SLURM_NTASKS": "2"}) == "SLURM"
  assert on_cluster({"OMPI_COMM_WORLD_SIZE": "2"}) == "Open MPI"
  monkeypatch.setattr(distributed, "_has_chips", lambda: True)
  assert on_cluster({"TPU_WORKER_HOSTNAMES": "a,b"}) == "TPU slice (GKE)"
  for endpoints, found in (
    ("x:y:10.0.0.1,x:y:10.0.0.2", "TPU slice"),
    ("x:y:10.0.0.1", ""),
    ("", ""),
  ):
    monkeypatch.setattr(distributed, "_metadata", lambda key, e=endpoints: e)
    assert on_cluster({}) == found


def test_rows_here_are_those_of_the_devices():
  """All of them here, and under a mesh whose devices stand in any order."""
  devices = np.array(jax.devices())[[3, 1, 7, 5, 0, 2, 4, 6]].reshape(4, 2)
  sharding = NamedSharding(Mesh(devices, ("data", "tensor")), P(None, "data", None))
  np.testing.assert_array_equal(distributed.rows_here(sharding, 8, dim=1), np.arange(8))


def test_join_and_the_rest_do_nothing_in_one_process(monkeypatch):
  for name in ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"):
    monkeypatch.delenv(name, raising=False)
  assert distributed.join() is False and distributed.join("a:1", 1, 0) is False
  assert distributed.from_first(7) == 7
  distributed.barrier("x")
  distributed.alike("00", "x")


@pytest.fixture
def cache_settings():
  names = [
    "jax_enable_compilation_cache", "jax_compilation_cache_dir", "jax_compilation_cache_max_size",
    "jax_persistent_cache_min_compile_time_secs",
  ]  # fmt: skip
  before = {name: getattr(jax.config, name) for name in names}
  yield
  for name, value in before.items():
    jax.config.update(name, value)


def test_programs_are_kept_in_the_users_cache(cache_settings, tmp_path):
  assert compilation.keep_programs({"XDG_CACHE_HOME": str(tmp_path)}) is None  # see conftest.py
  jax.config.update("jax_enable_compilation_cache", True)
  folder = compilation.keep_programs({"XDG_CACHE_HOME": str(tmp_path)})
  assert re.fullmatch(
    rf"ftjax/programs/jax-{jax.__version__}-[0-9a-f]{{8}}", str(Path(folder).relative_to(tmp_path))
  )
  jax.config.update("jax_compilation_cache_dir", str(tmp_path / "mine"))
  assert compilation.keep_programs({}) == str(tmp_path / "mine")


def test_a_cache_that_cannot_be_made_is_done_without(cache_settings, tmp_path):
  jax.config.update("jax_enable_compilation_cache", True)
  (tmp_path / "file").write_text("")
  assert compilation.keep_programs({"XDG_CACHE_HOME": str(tmp_path / "file")}) is None


def test_processors_are_told_apart(tmp_path):
  for name, flags in (("a", "fpu avx512f"), ("b", "fpu")):
    (tmp_path / name).write_text(f"processor : 0\nflags : {flags}\n")
  assert compilation._machine(tmp_path / "a") != compilation._machine(tmp_path / "b")
