"""The table of a trace adds up, and names the parts of the model."""

import subprocess
import sys

import pytest

from ftjax.research import profiling


def test_every_moment_belongs_to_what_began_last():
  spans = [(0, 100, "while"), (10, 30, "dot"), (20, 25, "add"), (50, 120, "copy")]
  own = {name: round(seconds * 1e9) for name, seconds in profiling._own(spans).items()}
  assert own == {"while": 10 + 20, "dot": 10 + 5, "add": 5, "copy": 70}
  assert sum(own.values()) == 120


def test_gaps_belong_to_nobody():
  own = profiling._own([(0, 10, "a"), (50, 60, "b")])
  assert {name: round(seconds * 1e9) for name, seconds in own.items()} == {"a": 10, "b": 10}


@pytest.mark.parametrize(
  "full, phase, part",
  [
    ("jit(step)/jvp(Decoder)/layers/while/body/attention/query/dot_general", "forward", "query"),
    ("jit(step)/transpose(jvp(Decoder))/layers/mlp/down/dot_general", "backward", "down"),
    ("jit(step)/jvp()/while/body/dot_general", "forward", "head and loss"),
    ("jit(step)/mul", "update", "optimizer and clipping"),
  ],
)
def test_parts_are_read_from_the_names(full, phase, part):
  assert profiling.part_of(full) == (phase, part)


def test_the_table_is_sorted_and_its_shares_are_of_the_whole():
  program = '  %dot.1 = f32[2] dot(), metadata={op_name="jit(f)/jvp(m)/mlp/up/dot_general"}\n'
  names = profiling.full_names(program)
  rows = profiling.table({"dot.1": 3.0, "copy.7": 1.0}, names)
  assert rows == [("forward", "up", 3.0, 0.75), ("unnamed", "copy", 1.0, 0.25)]


def test_the_script_does_not_hide_the_standard_librarys_profile(root):
  program = "import cProfile, profile; assert profile.Profile; cProfile.Profile().runcall(int)"
  subprocess.run([sys.executable, "-c", program], cwd=root / "scripts", check=True)
