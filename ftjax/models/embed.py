"""From token ids to the vectors that the first block reads."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from ftjax.models.config import ModelConfig
from ftjax.models.layers import Linear


class Embed(nn.Module):
  """Token vectors, with a learned vector for each absolute position where the model has them."""

  config: ModelConfig
  dtype: jnp.dtype
  dropout: float

  @nn.compact
  def __call__(self, tokens_BT: jax.Array, positions_BT: jax.Array, train: bool) -> jax.Array:
    c = self.config
    init = nn.initializers.normal(0.02)
    W = c.embed_width or c.D
    x_BTD = jnp.take(self.param("tokens", init, (c.V, W)), tokens_BT, axis=0)
    if c.embed_width:
      project = Linear((W,), (c.D,), dtype=self.dtype, dropout=self.dropout, name="project_in")
      x_BTD = project(x_BTD, train)
    if c.embed_scale != 1:
      x_BTD = x_BTD.astype(self.dtype) * jnp.asarray(c.embed_scale, self.dtype)
    if c.learned_positions:
      table_PD = self.param("positions", init, (c.sizes["P"], c.D))
      x_BTD += jnp.take(table_PD, positions_BT + c.position_offset, axis=0)
    return x_BTD.astype(self.dtype)
