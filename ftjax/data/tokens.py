"""Tokens of rows under a chosen tokenizer, counted as training will see them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ftjax.config import InputError
from ftjax.data.encode import text_ids
from ftjax.data.example import Example
from ftjax.text.chat import Template
from ftjax.text.tokenizer import load_tokenizer

if TYPE_CHECKING:
  from transformers import PreTrainedTokenizerBase

_STARTER = Path(__file__).resolve().parents[1] / "assets" / "starter"
_FILES = ["*.json", "*.model", "*.txt", "*.jinja"]


class Count(NamedTuple):
  """Of one row. trained: the tokens that carry the loss."""

  tokens: int
  trained: int


class TokenCounter:
  """Counts the tokens of rows, many at a time. The tokenizer is loaded at the first call, so that a
  counter can be sent to another process."""

  def __init__(self, source: str):
    """source: a folder with a tokenizer, "starter" (the one that ships with ftjax) or a hub id."""
    self.source = source
    self._template: Template | None = None

  def __getstate__(self) -> dict[str, Any]:
    return {"source": self.source, "_template": None}

  def __call__(self, examples: Sequence[Example]) -> list[Count]:
    """One count a row: documents with BOS and EOS, conversations in the tokenizer's chat template.
    Of a preference pair, the chosen answer's conversation. A conversation that the template refuses
    is counted by its texts alone. Raises InputError where there is no such tokenizer."""
    if self._template is None:
      self._template = Template.choose(_load(self.source))
    documents = [e.text for e in examples if not e.messages]
    pairs = iter(text_ids(self._template.tokenizer, documents) if documents else [])
    rows = iter(self._conversations([e for e in examples if e.messages]))
    count = lambda ids, trained: Count(len(ids), int(trained.sum()))
    return [next(rows) if e.messages else count(*next(pairs)) for e in examples]

  def _conversations(self, examples: Sequence[Example]) -> list[Count]:
    try:
      done = self._template.encode_many([list(e.messages) for e in examples]) if examples else []
      counts = [Count(0, 0)] * len(examples)
      for row in done:  # Several of one conversation, by some templates.
        tokens, trained = counts[row.source]
        counts[row.source] = Count(tokens + len(row.ids), trained + sum(row.trained))
      return counts
    except InputError:
      if len(examples) > 1:
        return [self._conversations([e])[0] for e in examples]
      size = lambda text: len(self._template.tokenizer(text, add_special_tokens=False).input_ids)
      answer = size(examples[0].response)
      return [Count(size(examples[0].prompt) + answer, answer)]


def _load(source: str) -> PreTrainedTokenizerBase:
  folder = _STARTER if source == "starter" else Path(source).expanduser()
  if not folder.is_dir():
    folder = _download(source)
  tok = load_tokenizer(folder)
  if tok is None:
    raise InputError(
      f"card.tokenizer={source!r}: {folder} has no tokenizer. Give a folder with tokenizer.json, a hub id or 'starter'."
    )
  return tok


def _download(source: str) -> Path:
  from huggingface_hub import errors, snapshot_download

  try:
    return Path(snapshot_download(source, allow_patterns=_FILES))
  except (errors.HTTPError, errors.HFValidationError, errors.LocalEntryNotFoundError, OSError) as e:
    raise InputError(
      f"card.tokenizer={source!r} is neither a folder here nor a model that the hub gives ({type(e).__name__}). Give a "
      "folder with tokenizer.json, a hub id or 'starter'."
    ) from e
