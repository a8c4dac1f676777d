"""The feed-forward half of a block, gated (Shazeer 2020) or plain."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from ftjax.models.config import ModelConfig
from ftjax.models.layers import Linear, activated
from ftjax.parallel.mesh import BATCH, TIME, constrain


class MLP(nn.Module):
  config: ModelConfig
  dtype: jnp.dtype
  dropout: float = 0.0
  matmul: str = ""

  @nn.compact
  def __call__(self, x_BTD: jax.Array, train: bool) -> jax.Array:
    c = self.config
    linear = lambda i, o, name: Linear(
      (i,), o, c.mlp_bias, self.dtype, self.dropout, self.matmul, name=name
    )
    if c.fused_gate_up:
      gate_up_BTCF = linear(c.D, (2, c.F), "gate_up")(x_BTD, train)
      pair = gate_up_BTCF[..., 0, :], gate_up_BTCF[..., 1, :]
    else:
      up_BTF = linear(c.D, (c.F,), "up")(x_BTD, train)
      pair = (linear(c.D, (c.F,), "gate")(x_BTD, train), up_BTF) if c.gated else (up_BTF, None)
    h_BTF = activated(c.activation, *pair)
    return linear(c.F, (c.D,), "down")(constrain(h_BTF, BATCH, TIME, "tensor"), train)
