"""The chunked divergence is the plain one, in value and gradient, and never holds the logits
whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ftjax.models.head import Head, logits
from ftjax.train.divergence import divergence
from tests.train.test_loss import shapes_in

B, T, D, V = 3, 13, 5, 17  # prime sizes


def inputs(tied=False, **flags):
  rng = np.random.default_rng(0)
  normal = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
  some = lambda: (
    normal(B, T, D),
    Head(normal(V, D) if tied else normal(D, V), None, tied, **flags),
  )
  weights = jnp.asarray(rng.choice([0.0, 0.5, 1.0], (B, T)), jnp.float32)
  return *some(), *some(), weights


def plain(hidden, head, base_hidden, base_head, weights):
  real = V - head.padding
  log_q, log_p = (
    jax.nn.log_softmax(logits(h, w)[..., :real])
    for h, w in ((hidden, head), (base_hidden, base_head))
  )
  return ((jnp.exp(log_p) * (log_p - log_q)).sum(-1) * weights).sum()


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize(
  "flags", [dict(tied=True), dict(cap=2.5, padding=3)], ids=["tied", "padded"]
)
def test_equals_the_plain_divergence_and_its_gradients(chunk, flags):
  args = inputs(**flags)
  ours = jax.value_and_grad(lambda *a: divergence(*a, chunk=chunk) * 0.37, argnums=(0, 1))
  theirs = jax.value_and_grad(lambda *a: plain(*a) * 0.37, argnums=(0, 1))
  for a, b in zip(jax.tree.leaves(ours(*args)), jax.tree.leaves(theirs(*args)), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_no_gradient_reaches_the_base_and_equal_models_do_not_diverge():
  hidden, head, base_hidden, base_head, weights = inputs()
  to_base = jax.grad(divergence, argnums=(2, 3))(hidden, head, base_hidden, base_head, weights)
  assert not any(np.asarray(x).any() for x in jax.tree.leaves(to_base))
  value, gradient = jax.value_and_grad(divergence)(hidden, head, hidden, head, weights)
  np.testing.assert_allclose(value, 0, atol=1e-6)
  np.testing.assert_allclose(gradient, 0, atol=1e-6)


def test_no_whole_logits():
  args = inputs()
  loss = jax.grad(lambda *a: divergence(*a, chunk=B), argnums=(0, 1))
  shapes = shapes_in(jax.make_jaxpr(loss)(*args).jaxpr)
  assert (B, 1, V) in shapes
  assert not {s for s in shapes if V in s and np.prod(s) >= B * T * V}


def test_a_weight_of_zero_silences_what_is_not_finite():
  hidden, *others, weights = inputs()
  hidden, weights = hidden.at[1, 4].set(jnp.inf), weights.at[1, 4].set(0.0)
  value, gradient = jax.value_and_grad(divergence)(hidden, *others, weights)
  assert np.isfinite(value) and np.isfinite(gradient).all()
