"""From token ids to the vectors that the first block reads."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from ftjax.models.adapters import kinds
from ftjax.models.config import ModelConfig
from ftjax.models.layers import Linear
from ftjax.models.rope import document_lengths


class Embed(nn.Module):
  """Token vectors, with a learned vector for each absolute position where the model has them.

  noise: NEFTune's alpha (Jain et al. 2023). While training, the tokens' vectors get uniform noise of
  +-alpha / sqrt(T * W), where T is the length of their document, so that packing changes nothing.
  """

  config: ModelConfig
  dtype: jnp.dtype
  dropout: float
  noise: float = 0.0

  @nn.compact
  def __call__(
    self, tokens_BT: jax.Array, positions_BT: jax.Array, segments_BT: jax.Array, train: bool
  ) -> jax.Array:
    c = self.config
    init = nn.initializers.normal(0.02)
    W = c.embed_width or c.D
    leaves = {c: x for c, x in self.variables.items() if c != "params"}
    known_BT = jnp.minimum(tokens_BT, c.V - 1) if leaves else tokens_BT  # the others are virtual
    x_BTD = jnp.take(self.param("tokens", init, (c.V, W)), known_BT, axis=0)
    if self.noise and train:
      size_BT1 = (document_lengths(positions_BT, segments_BT)[..., None] * W) ** -0.5 * self.noise
      unit_BTD = jax.random.uniform(self.make_rng("dropout"), x_BTD.shape, minval=-1, maxval=1)
      x_BTD += (unit_BTD * size_BT1).astype(x_BTD.dtype)
    if c.embed_width:
      project = Linear((W,), (c.D,), dtype=self.dtype, dropout=self.dropout, name="project_in")
      x_BTD = project(x_BTD, train)
    if c.embed_scale != 1:
      x_BTD = x_BTD.astype(self.dtype) * jnp.asarray(c.embed_scale, self.dtype)
    x_BTD = kinds.embedded(x_BTD, tokens_BT - c.V, leaves) if leaves else x_BTD
    if c.learned_positions:
      table_PD = self.param("positions", init, (c.sizes["P"], c.D))
      x_BTD += jnp.take(table_PD, positions_BT + c.position_offset, axis=0)
    return x_BTD.astype(self.dtype)
