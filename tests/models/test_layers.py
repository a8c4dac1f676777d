"""Activations against their formulas in double precision."""

from math import erf, exp, pi, sqrt, tanh

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ftjax.models.layers import ACTIVATIONS, activated

FORMULAS = {
  "silu": lambda x: x / (1 + exp(-x)),
  "relu": lambda x: max(x, 0.0),
  "gelu": lambda x: x * (1 + erf(x / sqrt(2))) / 2,
  "gelu_tanh": lambda x: x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2,
}
X = np.linspace(-4, 4, 97) + 0.01  # not 0, where relu has no slope


def numbers(seed: int, dtype) -> jax.Array:
  return jnp.asarray(np.random.default_rng(seed).normal(size=X.shape), dtype)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("gated", [True, False])
def test_activations_are_those_of_their_formulas_rounded_once(name, dtype, gated):
  gate, up, dy = jnp.asarray(X, dtype), numbers(0, dtype), numbers(1, dtype)
  y, back = jax.vjp(lambda *a: activated(name, *a), *((gate, up) if gated else (gate,)))
  exact = lambda x: np.asarray(x, np.float64)
  act = lambda x: np.array([FORMULAS[name](v) for v in x])
  slope = (act(exact(gate) + 1e-6) - act(exact(gate) - 1e-6)) / 2e-6
  factor = exact(up) if gated else 1.0
  near(y, act(exact(gate)) * factor, dtype)
  dgate, *dup = back(dy)
  near(dgate, exact(dy) * factor * slope, dtype)
  if gated:
    near(dup[0], exact(dy) * act(exact(gate)), dtype)


def near(found, exact, dtype):
  """Within half a unit in the last place of the dtype, and what float32 loses where 1 + tanh is near 0."""
  assert found.dtype == dtype
  half = float(jnp.finfo(dtype).eps) / 2
  assert (np.abs(np.asarray(found, np.float64) - exact) <= half * np.abs(exact) + 1e-5).all()


def test_the_backward_pass_keeps_the_arguments_alone():
  gate, up = numbers(0, jnp.bfloat16), numbers(1, jnp.bfloat16)
  _, back = jax.vjp(lambda *a: activated("silu", *a), gate, up)
  kept = [x for x in jax.tree.leaves(back) if hasattr(x, "shape")]
  assert [(x.shape, x.dtype) for x in kept] == [(X.shape, jnp.bfloat16)] * 2


def test_every_activation_has_a_formula_here():
  assert FORMULAS.keys() == ACTIVATIONS.keys()
