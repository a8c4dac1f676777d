"""What the numbers on tokens mean at their edges."""

import jax.numpy as jnp
import numpy as np
import pytest

from ftjax.batch import empty
from ftjax.evaluate.metrics import perplexity
from ftjax.evaluate.outputs import Hidden
from ftjax.models.head import Head


def scores(kernel_DV, targets):
  """Of one row, whose hidden states are all ones."""
  batch = empty(1, len(targets))
  batch.targets[0], batch.weights[0] = targets, 1
  hidden = jnp.ones((1, len(targets), kernel_DV.shape[0]))
  sums = perplexity.update(batch, Hidden(hidden, Head(jnp.asarray(kernel_DV))))
  return perplexity.result({k: float(x) for k, x in sums.items()})


def test_a_model_that_knows_nothing_hits_nothing_but_the_first_token():
  """Equal logits are no prediction: they were a hit for every target."""
  found = scores(np.zeros((2, 5), np.float32), [0, 1, 2, 3])
  assert found["accuracy"] == 0.25 and found["perplexity"] == pytest.approx(5, rel=1e-6)


def test_a_loss_too_large_for_its_exponential_is_infinite():
  found = scores(np.array([[0.0, 1000.0]], np.float32), [0])
  assert found["loss"] == 1000 and found["perplexity"] == float("inf")
