"""The logits of whole texts."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ftjax.config import InputError
from ftjax.models import decoder, prefixes
from ftjax.models.config import ModelConfig


def logits(variables, tokens_BT, segments_BT, config: ModelConfig, dtype: str) -> jax.Array:
  """float32 [B, T, V]: see LanguageModel.logits. Raises InputError for ids and segments that are none."""
  tokens_BT = _matrix(tokens_BT, "tokens")
  segments_BT = np.ones_like(tokens_BT) if segments_BT is None else _matrix(segments_BT, "segments")
  if tokens_BT.shape != segments_BT.shape:
    raise InputError(
      f"tokens are {tokens_BT.shape} and segments {segments_BT.shape}: they must have one shape."
    )
  V, limit = config.vocabulary, config.room(prefixes.count(variables))
  if tokens_BT.size and not 0 <= tokens_BT.min() <= tokens_BT.max() < V:
    raise InputError(
      f"tokens has ids from {tokens_BT.min()} to {tokens_BT.max()}; the model knows 0 to {V - 1}."
    )
  positions_BT = np.where(segments_BT > 0, positions(segments_BT), 0)
  if config.learned_positions and positions_BT.size and positions_BT.max() >= limit:
    raise InputError(
      f"A document has {positions_BT.max() + 1} tokens, and the model has {limit} positions."
    )
  return _logits(variables, tokens_BT, positions_BT, segments_BT, config, dtype)[..., :V]


def positions(segments_BT: np.ndarray) -> np.ndarray:
  """int32 [B, T], restarting at 0 wherever the segment changes."""
  index_BT = np.broadcast_to(np.arange(segments_BT.shape[1], dtype=np.int32), segments_BT.shape)
  starts_BT = np.diff(segments_BT, axis=1, prepend=segments_BT[:, :1]) != 0
  return index_BT - np.maximum.accumulate(np.where(starts_BT, index_BT, 0), axis=1)


@partial(jax.jit, static_argnames=("config", "dtype"))
def _logits(variables, tokens_BT, positions_BT, segments_BT, config: ModelConfig, dtype: str):
  model = decoder.Decoder(config, jnp.dtype(dtype))
  hidden_BTD, _ = model.apply(variables, tokens_BT, positions_BT, segments_BT)
  return decoder.logits(hidden_BTD, decoder.head(variables, config))


def _matrix(ids, name: str) -> np.ndarray:
  try:
    matrix = np.asarray(ids)
  except ValueError:
    matrix = np.zeros(0, object)
  if matrix.ndim != 2 or matrix.dtype.kind not in "iu":
    raise InputError(
      f"{name} must be whole numbers [rows, length], all rows of one length, not {matrix.dtype} "
      f"{matrix.shape}. Fill "
      "shorter rows up and give segments, with 0 for the padding."
    )
  return matrix.astype(np.int32)
