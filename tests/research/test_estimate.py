"""Laws of the estimates that plans are compared by."""

import dataclasses

import pytest

from ftjax.models.shapes import shape_only
from ftjax.parallel.chips import CHIPS
from ftjax.research.plan import estimate


@pytest.fixture(scope="module")
def model():
  return shape_only("llama-3.2-1b").config


def time(model, shape, collectives=None):
  return estimate.time(
    model, shape, CHIPS["v5e"], accumulate=1, parts=shape.tensor, state_bytes=0,
    collectives=collectives or {},
  )  # fmt: skip


def sent(model, shape, sharded=1):
  found = estimate.collectives(model, shape, sharded=sharded, held=1000, trained=100, accumulate=1)
  return {kind: x.bytes for kind, x in found.items()}


def test_devices_that_share_a_step_do_the_flops_of_one(model):
  one = estimate.Shape(rows=4, length=2048, remat="none", frozen=True)
  whole = time(model, one).flops
  for axis in ("rows", "sequence", "tensor"):
    part = {
      "rows": {"rows": 1},
      "sequence": {"length": 512, "sequence": 4},
      "tensor": {"tensor": 4},
    }
    shape = dataclasses.replace(one, **part[axis])
    assert 4 * time(model, shape).flops == pytest.approx(whole), axis


def test_what_a_mesh_cannot_do_without_is_sent(model):
  one = estimate.Shape(rows=4, length=2048, remat="none")
  more = dataclasses.replace(one, rows=8)
  assert sent(model, one) == {}
  assert sent(model, one, 4) == sent(model, more, 4) == {"all-gather": 3 * (2 * 1000 + 100)}
  # Two sums of each block's output forward and two backward, [rows x length, D] in bfloat16.
  split = dataclasses.replace(one, tensor=2)
  assert sent(model, split) == {"all-reduce": 4 * model.L * 4 * 2048 * model.D * 2}
  again = dataclasses.replace(split, remat="block", rows=8)
  assert sent(model, again)["all-reduce"] == 3 * sent(model, split)["all-reduce"]
  # Keys and values of the other half of each row: forward, backward, and their gradients.
  long = dataclasses.replace(one, length=1024, sequence=2)
  assert sent(model, long) == {
    "keys and values": 3 * model.L * 2 * 4 * 1024 * model.K * model.H * 2
  }


def test_a_quantized_base_costs_time(model):
  plain = estimate.Shape(rows=1, length=2048, frozen=True)
  small = dataclasses.replace(plain, quantized=True)
  assert time(model, small).least > time(model, plain).least
