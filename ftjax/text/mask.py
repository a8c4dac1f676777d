"""Which tokens are trained on, from the spans of text that are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ftjax.config import InputError

if TYPE_CHECKING:
  from transformers import PreTrainedTokenizerBase


def mark(
  tokenizer: PreTrainedTokenizerBase,
  stops: Sequence[int],
  ids: list[int],
  offsets: list[tuple[int, int]],
  spans: list[tuple[int, int]],
  starts: bool,
  place: str,
) -> np.ndarray:
  """bool [len(ids)]: the tokens that end within a span.

  offsets: the (start, end) characters of each token. starts: the first token has nothing before it,
  so it cannot be a target. Raises InputError naming the place for a span without a token, and for
  one without a stop token: the model would not learn to end.
  """
  ends = np.fromiter((end for _, end in offsets), np.int64, len(offsets))
  trained = np.zeros(len(ids), bool)
  for start, end in spans:
    here = (ends > start) & (ends <= end)
    if starts:
      here[:1] = False
    if not here.any():
      raise InputError(
        f"{place}: no trained token: an answer is empty once it is rendered. Remove the row."
      )
    if not any(ids[i] in stops for i in np.flatnonzero(here)):
      _no_stop(tokenizer, stops, ids[np.flatnonzero(here)[-1]], place)
    trained |= here
  return trained


def parted(offsets: list[tuple[int, int]], starts: Sequence[int]) -> list[int]:
  """Those of `starts`, places in the text, that lie inside of a token."""
  if not offsets:
    return []
  begins, ends = np.asarray(offsets, np.int64).T
  return [at for at in starts if ((begins < at) & (at < ends)).any()]


def _no_stop(tokenizer, stops: Sequence[int], last: int, place: str) -> None:
  names = [repr(t) for t in tokenizer.convert_ids_to_tokens(list(stops))]
  raise InputError(
    f"{place}: an answer has no trained stop token, so the model would not learn to end. It ends in "
    f"{tokenizer.convert_ids_to_tokens(last)!r}; the stop tokens are {', '.join(names) or 'none'} (eos_token of the "
    "tokenizer and eos_token_id of generation_config.json). Set one of these to what the template ends an answer "
    "with, or use data.template='plain'."
  )
