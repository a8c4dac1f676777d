"""Rows as ids: encoding, over-long rows, and the compact form in which they are held."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ftjax.config import InputError
from ftjax.text.tokenizer import lead_ids

if TYPE_CHECKING:
  from transformers import PreTrainedTokenizerBase

OVERLONG = ("auto", "error", "truncate", "drop", "split")
_CHUNK = 1000


class Unit(NamedTuple):
  """A document, or a window of one. key: what the split hashes. source: the index of its record."""

  ids: np.ndarray  # int32 [n]
  trained: np.ndarray  # bool [n]
  place: str
  key: Any
  source: int


@dataclass
class Rows:
  """Documents of different lengths, end to end.

  ids: int32 [total]. trained: bool [total]; trained[i] = token i is a target that is trained on.
  offsets: int64 [rows + 1]; row i is ids[offsets[i] : offsets[i + 1]]. prompts (text, or messages
  up to the last answer) and references (that answer, without its thinking) are for evaluation by
  generation: one of each per record that has such an answer in words, and empty for text and
  tokens. general: bool [rows] where general text is mixed in (data/general.py): which rows it are.
  """

  ids: np.ndarray
  trained: np.ndarray
  offsets: np.ndarray
  places: list[str]
  prompts: list[Any] = field(default_factory=list)
  references: list[str] = field(default_factory=list)
  general: np.ndarray | None = None

  @classmethod
  def of(cls, units: Sequence[Unit]) -> Rows:
    """Lays units end to end."""
    join = lambda arrays, dtype: np.concatenate([np.zeros(0, dtype), *arrays]).astype(dtype)
    return cls(
      join([u.ids for u in units], np.int32),
      join([u.trained for u in units], bool),
      np.cumsum([0, *(len(u.ids) for u in units)], dtype=np.int64),
      [u.place for u in units],
    )

  def __len__(self) -> int:
    return len(self.offsets) - 1

  def row(self, i: int) -> tuple[np.ndarray, np.ndarray]:
    """(ids, trained) of row i."""
    here = slice(self.offsets[i], self.offsets[i + 1])
    return self.ids[here], self.trained[here]

  def place(self, i: int) -> str:
    """Where row i stands in its source, as in "rows.jsonl:17"."""
    return self.places[i]

  @property
  def lengths(self) -> np.ndarray:
    """int64 [rows]: the ids of each row. It takes one place less of a batch, as the last id is a
    target alone."""
    return np.diff(self.offsets)

  @property
  def places_taken(self) -> np.ndarray:
    """int64 [rows]: the places of a batch that each row takes."""
    return self.lengths - 1

  @property
  def trained_tokens(self) -> int:
    """The targets of one pass that carry weight."""
    return int(self.trained.sum())

  def digest(self) -> str:
    """A hash of everything that training sees: a resume with other data can be told by it."""
    hash_ = hashlib.blake2b(digest_size=16)
    for array in (self.ids, self.trained, self.offsets):
      hash_.update(np.ascontiguousarray(array).tobytes())
    return hash_.hexdigest()


@dataclass
class Fitted:
  """What became of over-long rows: counts of rows, and of the windows that split rows became."""

  limit: int
  how: str
  truncated: int = 0
  dropped: int = 0
  split: int = 0
  windows: int = 0


def text_ids(
  tok: PreTrainedTokenizerBase, texts: Sequence[str]
) -> list[tuple[np.ndarray, np.ndarray]]:
  """Documents as (ids, trained): the tokenizer's BOS where it adds one, the text, EOS; all trained
  but the first id. Raises InputError when the tokenizer has no EOS."""
  if tok.eos_token_id is None:
    raise InputError(
      "The tokenizer has no EOS token to end a document with. Set eos_token in tokenizer_config.json."
    )
  lead, out = lead_ids(tok), []
  for at in range(0, len(texts), _CHUNK):
    chunk = tok(
      list(texts[at : at + _CHUNK]),
      add_special_tokens=False,
      return_attention_mask=False,
      verbose=False,
    )
    for ids in chunk.input_ids:
      ids = ids if ids[: len(lead)] == lead else lead + ids
      ids = ids if ids[-1:] == [tok.eos_token_id] else [*ids, tok.eos_token_id]
      trained = np.ones(len(ids), bool)
      trained[: max(1, len(lead))] = False
      out.append((np.asarray(ids, np.int32), trained))
  return out


def fit(unit: Unit, fitted: Fitted) -> list[Unit]:
  """The unit, or what `fitted.how` makes of one with more than `fitted.limit` ids (and counts in
  `fitted`).

  "split" windows overlap by one id, the first of each being context alone: every target is trained
  exactly once. A window without trained tokens is left out. Raises InputError naming the place:
  for how="error", and when truncation leaves nothing to train on.
  """
  limit, n = fitted.limit, len(unit.ids)
  if n <= limit:
    return [unit]
  if fitted.how == "error":
    raise InputError(
      f"{unit.place}: {n} tokens, but data.max_length is {limit}. Raise it, or set data.overlong to truncate, drop or "
      "split."
    )
  if fitted.how == "drop":
    fitted.dropped += 1
    return []
  if fitted.how == "truncate":
    fitted.truncated += 1
    if not unit.trained[:limit].any():
      raise InputError(
        f"{unit.place}: no trained token is left of its {n} when it is truncated to data.max_length={limit}: the prompt "
        f"alone has {int(unit.trained.argmax())}. Raise data.max_length, or set data.overlong=drop."
      )
    return [unit._replace(ids=unit.ids[:limit], trained=unit.trained[:limit])]
  fitted.split += 1
  windows = []
  for number, start in enumerate(range(0, n - 1, limit - 1), 1):
    trained = unit.trained[start : start + limit].copy()
    trained[0] = False
    if trained.any():
      place = f"{unit.place} (window {number})"
      windows.append(
        unit._replace(ids=unit.ids[start : start + limit], trained=trained, place=place)
      )
  fitted.windows += len(windows)
  return windows
