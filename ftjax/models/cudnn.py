"""Attention for NVIDIA's GPUs: cuDNN's flash kernels through jax.nn.dot_product_attention.

The kernels take a mask, so packed documents stay apart: [B, 1, T, S], in the dtype of the
computation when it reaches cuDNN. Scores and their gradients never leave the chip.
"""

import jax
import jax.numpy as jnp

from ftjax.models.scores import Scores
from ftjax.models.view import visible


def can(scores: Scores, dtype, sinks: bool = False) -> bool:
  """Whether the kernels compute this: half precision, no soft cap, no ALiBi, no sinks (the
  log-sum-exp that these need has no gradient there)."""
  half = dtype in (jnp.bfloat16, jnp.float16)
  return half and not scores.cap and not scores.slopes and not sinks


def attend(
  q_BTNH, k_BSKH, v_BSKH, view, scores: Scores, window=None, sinks_N=None, kernels: str = "cudnn"
) -> jax.Array:
  """What attention.attend_xla computes. kernels: jax.nn.dot_product_attention's `implementation`.

  Raises ValueError for what the kernels cannot.
  """
  dtype = q_BTNH.dtype if kernels == "cudnn" else jnp.bfloat16
  if not can(scores, dtype, sinks_N is not None):
    raise ValueError("cuDNN's attention has no float32, soft cap, ALiBi or sinks: use xla")
  mask_B1TS = visible(view, window)[:, None]
  return jax.nn.dot_product_attention(
    q_BTNH, k_BSKH, v_BSKH, mask=mask_B1TS, scale=scores.scale, implementation=kernels
  )
