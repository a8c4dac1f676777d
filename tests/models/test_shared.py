"""Keys that all documents share, beside attention within documents: one softmax."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ftjax.models import blocked, shared, virtual
from ftjax.models.attention import attend_xla
from ftjax.models.scores import Scores, alibi_slopes
from ftjax.models.view import View
from tests.models.reference import rows

P, N, K, H = 5, 6, 3, 4
BATCH = rows(((150,), (70, 61, 19), (97, 5)), 157, vocabulary=997)


def layout(queries_too: bool) -> View:
  """Documents behind P virtual tokens, which are queries as well where they are a prompt's."""
  after = virtual.after(BATCH.positions, BATCH.segments, P)
  keys = virtual.places(BATCH.segments, after, P)
  return View(*(keys if queries_too else (BATCH.segments, after)), *keys)


@pytest.mark.parametrize("queries_too", [False, True])
@pytest.mark.parametrize("case", ["plain", "window", "cap", "alibi", "sinks"])
def test_values_and_gradients_are_those_of_one_softmax(case, queries_too):
  scores = Scores(0.5, 2.0 if case == "cap" else 0.0, alibi_slopes(N) if case == "alibi" else ())
  window = 45 if case == "window" else None
  view = layout(queries_too)
  T, S = (x.shape[1] for x in (view.q_segments, view.k_segments))
  keys = jax.random.split(jax.random.key(0), 5)
  shapes = ((3, T, N, H), (3, S, K, H), (3, S, K, H), (3, T, N, H), (N,))
  q, k, v, weigh, sinks = (jax.random.normal(*x) for x in zip(keys, shapes, strict=True))
  weigh *= (view.q_segments != 0)[..., None, None]  # Padding may hold anything.
  sinks = sinks if case == "sinks" else None

  def run(attend):
    def loss(q, k, v, sinks):
      y = attend(q, k, v, view, scores, window, sinks)
      return (y * weigh).sum(), y

    inputs = (0, 1, 2) if sinks is None else (0, 1, 2, 3)
    (_, y), grads = jax.jit(jax.value_and_grad(loss, inputs, has_aux=True))(q, k, v, sinks)
    return jnp.where(weigh != 0, y, 0), *grads

  joined = functools.partial(shared.attend, blocked.with_lse, P)
  for found, expected in zip(run(joined), run(attend_xla), strict=True):
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-5)


def test_what_no_query_may_see_any_more_counts_for_nothing():
  """A window that has left the virtual tokens behind, with keys whose scores would be the highest."""
  view = layout(False)
  q = jnp.ones((3, 157, N, H))
  k = jnp.concatenate([jnp.full((3, P, K, H), 50.0), jnp.ones((3, 157, K, H))], 1)
  v = jnp.concatenate([jnp.full((3, P, K, H), 1e4), jnp.ones((3, 157, K, H))], 1)
  y = shared.attend(blocked.with_lse, P, q, k, v, view, Scores(1.0), window=10)
  far = (BATCH.segments > 0) & (BATCH.positions + P >= 10 + P)
  assert far.any()
  np.testing.assert_allclose(y[far], 1.0, rtol=1e-6)
  assert (y[(BATCH.segments > 0) & (BATCH.positions == 0)] > 9e3).all()
