"""KL divergence between two models' next-token distributions, over chunks of tokens."""

import jax
import jax.numpy as jnp

from ftjax.models.head import Head, logits
from ftjax.parallel.mesh import BATCH, constrain

LEAST = -1e30  # in place of the -inf of rows that pad the vocabulary: 0 x inf is no number


def divergence(
  hidden_BTD: jax.Array,
  head: Head,
  base_hidden_BTD: jax.Array,
  base_head: Head,
  weights_BT: jax.Array,
  *,
  chunk: int = 512,
) -> jax.Array:
  """Sum of weights x KL(base || model) in nats, float32 []; no gradient to the base.

  The direction is that of distillation (Hinton et al. 2015): what the base gives probability to, the
  model may not lose. Logits exist for about `chunk` tokens at a time, and the backward pass computes
  them again: no [B, T, V] array is kept.
  """
  B, T, _ = hidden_BTD.shape
  length = -(-T // min(T, -(-B * T // chunk)))

  def split(x_BT):
    x_BT = jnp.pad(x_BT, ((0, 0), (0, -T % length)) + ((0, 0),) * (x_BT.ndim - 2))
    return jnp.moveaxis(x_BT.reshape(B, -1, length, *x_BT.shape[2:]), 1, 0)

  def scores(h_BCD, head, weights_BC):
    # A weight of 0 silences a token even where its hidden state is not finite.
    h_BCD = jnp.where(weights_BC[..., None] > 0, h_BCD, 0)
    s_BCV = constrain(logits(h_BCD, head), BATCH, None, "tensor")
    return jax.nn.log_softmax(jnp.maximum(s_BCV, LEAST))

  @jax.checkpoint
  def one(total, xs, head):
    h_BCD, base_h_BCD, weights_BC = xs
    log_q_BCV = scores(h_BCD, head, weights_BC)
    log_p_BCV = jax.lax.stop_gradient(scores(base_h_BCD, base_head, weights_BC))
    kl_BC = (jnp.exp(log_p_BCV) * (log_p_BCV - log_q_BCV)).sum(-1)
    return total + (kl_BC * weights_BC).sum(), None

  xs = tuple(map(split, (hidden_BTD, jax.lax.stop_gradient(base_hidden_BTD), weights_BT)))
  return jax.lax.scan(lambda total, xs: one(total, xs, head), jnp.float32(0), xs)[0]
