"""Collectives counted in programs whose collectives are known."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from ftjax.parallel.mesh import make_mesh
from ftjax.research.plan.hlo import Collective, collectives


def test_those_of_a_loop_count_as_often_as_it_runs():
  """Five gathers of a layer's [64, 32] float32 over eight devices, and one sum of a number."""
  mesh = make_mesh(data=1, fsdp=8)
  split = NamedSharding(mesh, P(None, "fsdp", None))

  def local(w_LDF, x):
    def layer(x, w_DF):
      return jnp.tanh(x @ jax.lax.all_gather(w_DF, "fsdp", tiled=True)), None

    return jax.lax.psum(jax.lax.scan(layer, x, w_LDF)[0].sum(), "fsdp")

  fn = jax.shard_map(local, mesh=mesh, in_specs=(split.spec, P()), out_specs=P(), check_vma=False)
  text = jax.jit(fn).lower(jnp.ones((5, 32, 32)), jnp.ones((4, 32))).compile().as_text()
  found = collectives(text)
  assert found["all-gather"] == Collective(5, 5 * 32 * 32 * 4 * 7 // 8)
  assert found["all-reduce"] == Collective(1, 2 * 4 * 7 // 8)
  assert found.keys() == {"all-gather", "all-reduce"}


TPU = """
%start (p: bf16[2,4]) -> (bf16[2,4], bf16[8,4]) {
  %all-gather.1 = bf16[8,4]{1,0} all-gather(%p), channel_id=7, replica_groups=mesh['a'=4,'b'=2] {'a'}, dimensions={0}
  ROOT %custom-call.1 = (bf16[2,4], bf16[8,4]) custom-call(%all-gather.1), custom_call_target="AsyncCollectiveStart"
}

%step (p: bf16[2,4]) -> bf16[8,4] {
  ROOT %all-gather.2 = bf16[8,4]{1,0} all-gather(%p), channel_id=7, replica_groups=mesh['a'=4,'b'=2] {'a'}, dimensions={0}
}

%body (p: (s32[], bf16[2,4])) -> (s32[], bf16[2,4]) {
  %fusion.1 = bf16[8,4]{1,0} fusion(%x), kind=kCustom, calls=%step
  %reduce-scatter.1 = f32[2]{0} reduce-scatter(%g), channel_id=8, replica_groups=[2,4]<=[8], to_apply=%add
  %permute-start = (f32[3]{0}, f32[3]{0}, u32[], u32[]) collective-permute-start(%y), channel_id=9, source_target_pairs={{0,1},{1,0}}
}

%condition (p: (s32[], bf16[2,4])) -> pred[] {
  %constant.1 = s32[]{:T(128)} constant(6)
  ROOT %lt = pred[] compare(%i, %constant.1), direction=LT
}

ENTRY %main (p: bf16[2,4]) -> bf16[8,4] {
  %async = (bf16[2,4], bf16[8,4]) fusion(%p), kind=kCustom, calls=%start
  %while.1 = (s32[], bf16[2,4]) while(%t), condition=%condition, body=%body
}
"""


def test_a_gather_that_a_tpu_spreads_over_a_loop_runs_once():
  found = collectives(TPU)
  assert found["all-gather"] == Collective(1, 64 * 3 // 4)
  assert found["reduce-scatter"] == Collective(6, 6 * 8 * 3)
  assert found["collective-permute"] == Collective(6, 6 * 12)


@pytest.mark.parametrize("groups", ["{{0}}", "[8,1]<=[8]", "mesh['a'=1,'b'=8] {'a'}"])
def test_a_group_of_one_sends_nothing(groups):
  line = f"  ROOT %r = f32[4]{{0}} all-reduce(%p), replica_groups={groups}, to_apply=%add"
  assert collectives(f"ENTRY %main (p: f32[4]) -> f32[4] {{\n{line}\n}}") == {}
