"""Token-weighted loss, perplexity and accuracy of the next token."""

import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from ftjax.batch import Batch
from ftjax.evaluate.outputs import Hidden
from ftjax.models import decoder
from ftjax.parallel.mesh import BATCH, constrain

KIND = "tokens"
FLOOR = False
SHOWN = (
  ("loss", "validation loss", "{:.4f}"),
  ("perplexity", "perplexity", "{:.2f}"),
  ("accuracy", "token accuracy", "{:.1%}"),
  ("general_loss", "general loss", "{:.4f}"),
  ("general_perplexity", "general perplexity", "{:.2f}"),
)
CHUNK = 512  # tokens whose logits exist at one time


def update(batch: Batch, outputs: Hidden) -> dict[str, jax.Array]:
  """Sums over the batch: of weighted cross-entropies (nats), of weighted hits, and of weights;
  float32 [].

  Runs over chunks of T, so that no [B, T, V] exists. A hit is a target that has the largest logit,
  and the first of equals: what greedy decoding would take.
  """
  B, T, _ = outputs.hidden.shape
  length = min(T, max(1, CHUNK // B))
  pad = -T % length

  def chunks(x_BT):
    x_BT = jnp.pad(x_BT, ((0, 0), (0, pad)) + ((0, 0),) * (x_BT.ndim - 2))
    return jnp.moveaxis(x_BT.reshape(B, -1, length, *x_BT.shape[2:]), 1, 0)

  def add(sums, chunk):
    hidden_BCD, targets_BC, weights_BC = chunk
    logits_BCV = decoder.logits(hidden_BCD, outputs.head)
    logits_BCV = constrain(logits_BCV, BATCH, None, "tensor")
    ids = jnp.arange(logits_BCV.shape[-1], dtype=jnp.int32)[None, None]
    # A sum over the vocabulary in place of a lookup: it stays where the vocabulary is split over
    # devices.
    target_BC = jnp.where(ids == targets_BC[..., None], logits_BCV, 0).sum(-1)
    nll_BC = jax.nn.logsumexp(logits_BCV, axis=-1) - target_BC
    largest_BC1 = logits_BCV.max(-1, keepdims=True)
    first_BC = jnp.where(logits_BCV >= largest_BC1, ids, ids.size).min(-1)
    hit_BC = first_BC == targets_BC
    total = lambda x_BC: jnp.where(weights_BC > 0, weights_BC * x_BC, 0).sum()
    more = {"loss": total(nll_BC), "hits": total(hit_BC), "tokens": weights_BC.sum()}
    return jax.tree.map(jnp.add, sums, more), None

  zeros = dict.fromkeys(("loss", "hits", "tokens"), jnp.float32(0))
  inputs = tuple(map(chunks, (outputs.hidden, batch.targets, batch.weights)))
  return jax.lax.scan(add, zeros, inputs)[0]


def result(sums: Mapping[str, float]) -> dict[str, float]:
  """loss: nats a token. perplexity: its exponential. accuracy: share of hits. tokens: summed
  weights."""
  tokens = max(sums["tokens"], 1e-9)
  loss = sums["loss"] / tokens
  return {
    "loss": loss,
    "perplexity": math.exp(loss) if loss < 700 else math.inf,
    "accuracy": sums["hits"] / tokens,
    "tokens": sums["tokens"],
  }
