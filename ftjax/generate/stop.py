"""Ids to text while the text is still growing, and stop strings in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ftjax.config import InputError

if TYPE_CHECKING:
  from transformers import PreTrainedTokenizerBase

_BROKEN = "\ufffd"  # what a character decodes to whose bytes are not all there yet


def check_stops(stop: str | Sequence[str]) -> tuple[str, ...]:
  """Stop strings as a tuple; an InputError for an empty one, which would stop before anything is
  written."""
  stops = (stop,) if isinstance(stop, str) else tuple(stop)
  if bad := [s for s in stops if not isinstance(s, str) or not s]:
    raise InputError(
      f"stop={bad[0]!r} is not a stop string: give one or more strings that are not empty."
    )
  return stops


def find_stop(text: str, stops: Sequence[str]) -> int | None:
  """Where the first stop string begins, or None."""
  return min((at for s in stops if (at := text.find(s)) >= 0), default=None)


def settled(text: str, stops: Sequence[str]) -> int:
  """How many characters of a growing text are certain: without a broken last character, and without
  an end that may turn out to be the beginning of a stop string."""
  n = len(text.rstrip(_BROKEN))
  for stop in stops:
    for k in range(min(len(stop) - 1, n), 0, -1):
      if text[:n].endswith(stop[:k]):
        n -= k
        break
  return n


class Text:
  """The text of a completion: what decoding prompt + completion has beyond decoding the prompt.

  So a space at the seam survives (sentencepiece drops the space before the first word it decodes).
  Special tokens are left out.
  """

  def __init__(self, tokenizer: PreTrainedTokenizerBase, prompt: Sequence[int]):
    self._tokenizer = tokenizer
    self._prompt = list(prompt)
    self._head = self._decode([]).rstrip(_BROKEN)

  def __call__(self, ids: Sequence[int]) -> str:
    """The text of these new ids."""
    text = self._decode(ids)
    return text[len(self._head) :] if text.startswith(self._head) else self._tokenizer.decode(ids)

  def stopped(self, ids: Sequence[int], stops: Sequence[str]) -> tuple[int, int] | None:
    """(how many of the ids it takes to complete the first stop string, where in the text it
    begins), or None."""
    if not stops or find_stop(self(ids), stops) is None:
      return None
    low, high = 1, len(ids)  # The fewest ids that have a stop string: more ids never take one away.
    while low < high:
      middle = (low + high) // 2
      low, high = (
        (low, middle) if find_stop(self(ids[:middle]), stops) is not None else (middle + 1, high)
      )
    return low, find_stop(self(ids[:low]), stops)

  def _decode(self, ids: Sequence[int]) -> str:
    return self._tokenizer.decode(
      self._prompt + list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
