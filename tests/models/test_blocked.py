"""Attention in blocks, driven alone: windows wider than a block, and several groups of heads a row."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ftjax.models import blocked
from ftjax.models.attention import attend_xla
from ftjax.models.scores import Scores
from ftjax.models.view import View
from tests.models.reference import rows


@pytest.mark.parametrize("window, N, K", [(None, 48, 6), (45, 6, 3), (100, 2, 1)])
def test_values_and_gradients_are_those_of_whole_arrays(window, N, K):
  batch, H = rows(((150,), (70, 61, 19), (97, 5)), 157, vocabulary=997), 4
  view = View(batch.segments, batch.positions, batch.segments, batch.positions)
  keys = jax.random.split(jax.random.key(0), 4)
  q, k, v, weigh = (
    jax.random.normal(key, (3, 157, heads, H))
    for key, heads in zip(keys, (N, K, K, N), strict=True)
  )
  weigh *= (batch.segments > 0)[..., None, None]  # Padding may hold anything.

  def run(attend):
    def loss(q, k, v):
      y = attend(q, k, v, view, Scores(0.5), window)
      return (y * weigh).sum(), y

    (_, y), grads = jax.jit(jax.value_and_grad(loss, (0, 1, 2), has_aux=True))(q, k, v)
    return jnp.where(weigh != 0, y, 0), *grads

  for found, expected in zip(run(blocked.attend), run(attend_xla), strict=True):
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)
  groups = blocked._grouped(k, K, N // K).shape
  assert groups[0] == 3 * (2 if N == 48 else 1)  # What the cases are for.


def test_as_many_keys_as_queries_are_wanted():
  q = jnp.zeros((1, 4, 2, 8))
  with pytest.raises(ValueError, match="as many keys as queries, not 6, 4"):
    blocked.attend(q, jnp.zeros((1, 6, 2, 8)), jnp.zeros((1, 6, 2, 8)), None, Scores(1.0))
