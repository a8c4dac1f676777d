"""Attention by itself: sinks as one more key, and every implementation as plain XLA."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ftjax.models import attention, blocked, cudnn, splash
from ftjax.models.attention import attend_xla, by_window
from ftjax.models.scores import Scores, alibi_slopes
from ftjax.models.view import View, visible
from ftjax.parallel.mesh import make_mesh
from tests.models.reference import FAST, rows

BATCH = rows(((90, 71), (47,)), 163)  # more than one block of queries, packed and padded
VIEW = View(*[jnp.asarray(x) for x in (BATCH.segments, BATCH.positions) * 2])
KINDS = {
  "plain": (Scores(0.4), False, None),
  "sinks": (Scores(0.4), True, None),
  "cap and window": (Scores(0.4, 1.5), False, 23),
  "alibi": (Scores(0.4, 0.0, alibi_slopes(6)), False, None),
  "all at once": (Scores(0.4, 1.5, alibi_slopes(6)), True, 23),
}


def drawn():
  """(q [B, T, 6, 5], k and v [B, T, 2, 5], sinks [6])."""
  random = np.random.default_rng(0)
  shapes = (2, 163, 6, 5), (2, 163, 2, 5), (2, 163, 2, 5), (6,)
  return [random.normal(size=shape).astype("f4") for shape in shapes]


# splash is interpreted here; cuDNN's masks and shapes are tried with XLA in the kernels' place.
TRIED = {
  "blocked": (blocked.attend, ["sinks", "alibi", "all at once"]),
  "splash": (splash.attend, ["plain", "sinks", "cap and window"]),
  "cudnn": (functools.partial(cudnn.attend, kernels="xla"), ["plain"]),
}


@pytest.mark.parametrize(
  "name, kind", [(name, kind) for name, (_, kinds) in TRIED.items() for kind in kinds]
)
def test_values_and_gradients_are_those_of_xla(name, kind):
  scores, sinks, window = KINDS[kind]
  seen = (BATCH.segments > 0)[..., None, None]

  def with_gradients(attend):
    def loss(q, k, v, sinks_N):
      y = attend(q, k, v, VIEW, scores, window, sinks_N if sinks else None)
      return jnp.sin(3 * jnp.where(seen, y, 0)).sum(), jnp.where(seen, y, 0)

    grad = jax.value_and_grad(loss, (0, 1, 2, 3), has_aux=True)
    return jax.jit(grad, compiler_options=FAST)(*drawn())

  (_, expected), expected_grads = with_gradients(attend_xla)
  (_, found), grads = with_gradients(TRIED[name][0])
  np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
  for x, y in zip(grads, expected_grads, strict=True):
    np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4)
  assert np.abs(expected_grads[3]).max() > 0.1 or not sinks


def test_splash_over_a_mesh_is_xla_alone():
  """Rows, queries and heads are on eight devices, and there are fewer key heads than these."""
  q, k, v, sinks = drawn()
  k, v = k[:, :, :1], v[:, :, :1]
  scores = Scores(0.4)
  expected = attend_xla(*map(jnp.asarray, (q, k, v)), VIEW, scores, None, jnp.asarray(sinks))
  with jax.set_mesh(make_mesh(data=2, sequence=2, tensor=2)):
    found = jax.jit(splash.attend, static_argnums=(4,))(q, k, v, VIEW, scores, sinks_N=sinks)
  seen = (BATCH.segments > 0)[..., None, None]
  np.testing.assert_allclose(np.where(seen, found, 0), np.where(seen, expected, 0), atol=1e-5)


def test_each_layer_of_a_scan_gets_its_window():
  """Splash is compiled for windows that are numbers: a branch for each that the model has."""
  seen = lambda window: by_window(lambda window: jnp.int32(window or -1), (7, 0, 3), window)
  traced = [int(jax.jit(seen)(jnp.int32(w))) for w in (7, 3, 2**31 - 1)]
  assert traced == [7, 3, -1] and seen(None) == -1 and seen(5) == 5


@pytest.mark.parametrize(
  "kind, scores, dtype, expected",
  [
    ("cpu", Scores(1.0), jnp.float32, "blocked"),
    ("tpu", Scores(1.0), jnp.float32, "splash"),
    ("tpu", Scores(1.0, 0.0, (0.5,)), jnp.float32, "xla"),
    ("gpu", Scores(1.0), jnp.bfloat16, "cudnn"),
    ("gpu", Scores(1.0), jnp.float32, "xla"),
    ("gpu", Scores(1.0, 30.0), jnp.bfloat16, "xla"),
  ],
)
def test_auto_goes_by_platform_and_by_what_is_asked(monkeypatch, kind, scores, dtype, expected):
  monkeypatch.setattr(attention, "platform", lambda: kind)
  chosen = attention.implementation("auto", scores=scores, sinks=False, dtype=dtype)
  assert chosen == expected


def test_a_sink_is_one_more_key_without_a_value():
  """Softmax over the scores and the sink together, and what the sink got is dropped."""
  q, k, v, sinks = drawn()
  k6, v6 = (np.repeat(x, 3, axis=2) for x in (k, v))
  s = 0.4 * np.einsum("btnh,bsnh->bnts", q, k6)
  s = np.where(np.asarray(visible(VIEW, 23))[:, None], s, -np.inf)
  s = np.concatenate([s, np.broadcast_to(sinks[None, :, None, None], (*s.shape[:3], 1))], -1)
  p = np.exp(s - s.max(-1, keepdims=True))
  expected = np.einsum("bnts,bsnh->btnh", (p / p.sum(-1, keepdims=True))[..., :-1], v6)
  found = attend_xla(*map(jnp.asarray, (q, k, v)), VIEW, Scores(0.4), 23, jnp.asarray(sinks))
  np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
