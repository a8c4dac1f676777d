"""Attention for TPUs: JAX's Pallas kernel, which keeps a block's scores on the chip and skips the
blocks that nobody may see (Dao et al. 2022, "FlashAttention"; the kernel is
jax.experimental.pallas.ops.tpu.splash_attention).

Elsewhere than on a TPU the kernel is interpreted, which is for tests: the same program, slowly.
"""

import math

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P

from ftjax.models import blocked
from ftjax.models.scores import Scores
from ftjax.parallel.mesh import BATCH, ambient, fit, platform

LANES = 128  # what a TPU's registers hold side by side: blocks are multiples of it
BLOCK = 512  # queries and keys of one block: larger ones pay, and a core's memory holds these


def attend(q_BTNH, k_BTKH, v_BTKH, view, scores: Scores, window=None, sinks_N=None) -> jax.Array:
  """What attention.attend_xla computes, where T = S and each document's tokens stand together and
  in order. window: a number, or None; it decides what is compiled.

  On a mesh each device has its own rows, heads and, where T is split, queries: keys and values
  are gathered over T.
  """
  if scores.slopes:
    raise ValueError("splash attention has no ALiBi: use xla")
  if k_BTKH.shape[1] != q_BTNH.shape[1]:
    raise ValueError("splash attention wants as many keys as queries")
  mesh, T = ambient(), q_BTNH.shape[1]
  tensor, sequence = (1, 1) if mesh is None else (mesh.shape["tensor"], mesh.shape["sequence"])
  q_BTNH, k_BTKH, v_BTKH = (_filled(x, sequence) for x in (q_BTNH, k_BTKH, v_BTKH))
  segments_BT = _filled(view.q_segments, sequence)
  q_BTNH *= jnp.asarray(scores.scale, q_BTNH.dtype)
  k_BTKH, v_BTKH = (_repeated(x, q_BTNH.shape[2], tensor) for x in (k_BTKH, v_BTKH))
  kernel = _kernel(q_BTNH.shape, scores, window, sequence)
  args = (q_BTNH, k_BTKH, v_BTKH, segments_BT, segments_BT)
  if sinks_N is not None:
    args += (sinks_N.astype(jnp.float32),)
  if mesh is None:
    return _rows(kernel, *args)[:, :T]
  heads = "tensor" if k_BTKH.shape[2] % tensor == 0 and q_BTNH.shape[2] % tensor == 0 else None
  rows = fit(P(BATCH), q_BTNH.shape[:1], mesh)[0]
  long = "sequence" if sequence > 1 else None
  places = (
    P(rows, long, heads), P(rows, None, heads), P(rows, None, heads), P(rows, long), P(rows, None),
    P(heads),
  )  # fmt: skip
  by_mask = kernel.manual_sharding_spec(jax.sharding.NamedSharding(mesh, P(None, long)))
  over = jax.shard_map(
    _rows, mesh=mesh, in_specs=(by_mask, *places[: len(args)]), out_specs=places[0], check_vma=False
  )
  return over(kernel, *args)[:, :T]


def _filled(x_BT, sequence: int):
  """Zeros at the end of T, up to whole blocks on every device: segment 0, which nobody but padding
  sees."""
  T = x_BT.shape[1]
  return jnp.pad(x_BT, [(0, 0), (0, -T % (LANES * sequence))] + [(0, 0)] * (x_BT.ndim - 2))


def _repeated(x_BSKH, N: int, tensor: int):
  """Key heads as often as the mesh's tensor axis needs them to split them with their queries."""
  K = x_BSKH.shape[2]
  times = tensor // math.gcd(K, tensor)
  return jnp.repeat(x_BSKH, times, axis=2) if times > 1 and N % (K * times) == 0 else x_BSKH


def _kernel(shape, scores: Scores, window: int | None, sequence: int):
  """The kernel for queries of this shape; a pytree, whose leaves say which blocks are seen."""
  from jax.experimental.pallas.ops.tpu import splash_attention as splash

  _, T, N, _ = shape
  block = max(n for n in range(LANES, BLOCK + 1, LANES) if T // sequence % n == 0)
  mask = splash.CausalMask((T, T), shard_count=sequence)
  if window is not None:
    # (tokens before, tokens after) that are seen, its own not counted.
    mask = splash.LocalMask((T, T), (window - 1, 0), offset=0, shard_count=sequence)
  names = (
    "block_q block_kv block_kv_compute block_q_dkv block_kv_dkv block_kv_dkv_compute block_q_dq "
    "block_kv_dq"
  )
  return splash.make_splash_mha(
    splash.MultiHeadMask([mask] * N),
    block_sizes=splash.BlockSizes(**dict.fromkeys(names.split(), block)),
    attn_logits_soft_cap=scores.cap or None,
    residual_checkpoint_name=blocked.RESIDUALS,
    head_shards=1,
    q_seq_shards=sequence,
    interpret=platform() != "tpu",
  )


def _rows(kernel, q_BTNH, k_BSKH, v_BSKH, q_segments_BT, k_segments_BS, sinks_N=None):
  """[B, T, N, H]: the kernel over the rows of one device."""
  from jax.experimental.pallas.ops.tpu import splash_attention as splash

  heads_first = lambda x: x.swapaxes(1, 2)
  one = lambda q, k, v, qs, ks: kernel(q, k, v, splash.SegmentIds(qs, ks), sinks=sinks_N)
  y_BNTH = jax.vmap(one)(*map(heads_first, (q_BTNH, k_BSKH, v_BSKH)), q_segments_BT, k_segments_BS)
  return heads_first(y_BNTH).astype(q_BTNH.dtype)
