"""Runs that are killed at any moment end, after the same command again, with the same bits."""

import random

import pytest

from tests.faults.conftest import KINDS
from tests.faults.programs import after, digests, numbers

MOMENTS = ("config.json", "metrics.jsonl", "checkpoints", "checkpoints/2", "checkpoints/4", "checkpoints/8",
           "checkpoints/12", "final.unfinished", "best", "samples.md", "evaluation.json")  # fmt: skip
SECONDS = 12.0  # what a whole run takes, about


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(36))
def test_a_killed_run_ends_as_one_that_was_not(
  programs, flags, whole, tmp_path, seed, record_property
):
  rng = random.Random(seed)
  kind = list(KINDS)[seed % len(KINDS)]
  _, best, final, expected = whole(kind)
  run = tmp_path / "run"
  command = [*flags, *KINDS[kind], f"--workdir={run}"]
  kills = []
  for _ in range(rng.choice([1, 1, 2, 3])):
    moment = rng.choice([*MOMENTS, rng.uniform(0, SECONDS)] + [rng.uniform(0, SECONDS)] * 5)
    process, log = programs.start("scripts/train.py", command)
    if not after(
      run / moment if isinstance(moment, str) else moment, process, rng.choice([0, 0, 0.02, 0.1])
    ):
      process.join()
      break
    process.kill()
    process.join()
    kills.append(moment)
  record_property("kills", len(kills))
  for _ in range(2):  # The second finds it done.
    ended = programs.run("scripts/train.py", command)
    assert ended.status == 0 and "Traceback" not in ended.text, (kills, ended.text)
  assert digests(run / "best") == best, kills
  assert digests(run / "final") == final, kills
  assert numbers(run) == expected, kills
  left = {p.name for p in run.iterdir()} - {p.name for p in whole(kind)[0].iterdir()}
  assert not left, kills
