"""The checkpoint's own tokenizer: loading, special tokens, prompts, saving."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftjax.config import InputError

if TYPE_CHECKING:
  from transformers import PreTrainedTokenizerBase

_SETTINGS = ("tokenizer.json", "tokenizer_config.json")
_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tekken.json")


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerBase | None:
  """The tokenizer of a model folder, or None when the folder has no tokenizer files.

  Fast tokenizers only: the masks need the span of text that each token came from. Raises
  InputError for a tokenizer that cannot be read, or that only a slow implementation can read.
  """
  folder = Path(folder)
  if not any((folder / name).is_file() for name in _FILES):
    return None
  from transformers import AutoTokenizer  # Takes seconds to import: only where it is needed.

  read = functools.partial(
    AutoTokenizer.from_pretrained, str(folder), local_files_only=True, trust_remote_code=False
  )
  try:
    tok = read()
    if tok.bos_token is not None and not any((folder / name).is_file() for name in _SETTINGS):
      tok = read(
        add_bos_token=True
      )  # A bare sentencepiece model does not say so; its own programs do it.
    if tok.is_fast:
      _try_out(tok)
  except BaseException as e:
    # Files of a stranger fail in any way there is; what panics in Rust is no Exception.
    if not isinstance(e, Exception) and type(e).__name__ != "PanicException":
      raise
    raise InputError(
      f"The tokenizer in {folder} cannot be read: {type(e).__name__}: {e}. A complete folder has "
      "tokenizer.json and tokenizer_config.json."
    ) from e
  if not tok.is_fast:
    raise InputError(
      f"The tokenizer in {folder} is a slow one ({type(tok).__name__}); ftjax needs tokenizer.json. Convert it once: "
      "AutoTokenizer.from_pretrained(folder, use_fast=True).save_pretrained(folder)."
    )
  return tok


def _try_out(tok: PreTrainedTokenizerBase) -> None:
  """Does once what is done with a tokenizer, so that one which cannot fails here."""
  for name in (tok.bos_token, tok.eos_token):
    if not isinstance(name, str | None):
      raise TypeError(f"a special token is {name!r:.80}, not a text")
  known, templates = len(tok), tok.chat_template or {}
  for template in templates.values() if isinstance(templates, dict) else [templates]:
    if not isinstance(template, str):
      raise TypeError(f"the chat template is {template!r:.80}, not a text")
  ids = tok("a b", return_offsets_mapping=True).input_ids
  tok.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
  if wrong := [i for i in (tok.bos_token_id, tok.eos_token_id) if i is not None and i >= known]:
    raise ValueError(f"a special token has the id {wrong[0]}, and there are {known} tokens")


def save_tokenizer(tok: PreTrainedTokenizerBase, folder: str | Path) -> None:
  """Writes the tokenizer's files, chat template included, in Hugging Face format."""
  tok.save_pretrained(str(folder))


def bos_id(tok: PreTrainedTokenizerBase) -> int | None:
  """The id that begins a text, if the tokenizer has one."""
  return tok.bos_token_id


def stop_ids(
  tok: PreTrainedTokenizerBase | None,
  generation: Mapping[str, Any] | None = None,
  model: Mapping[str, Any] | None = None,
) -> tuple[int, ...]:
  """The ids that end a text, in training and in generation: the tokenizer's, then the "eos_token_id" (an
  id or a list of ids) of generation_config.json or, where that names none, of config.json."""
  generation = generation or {}
  more = (generation if "eos_token_id" in generation else model or {}).get("eos_token_id")
  more = more if isinstance(more, list | tuple) else [] if more is None else [more]
  if wrong := [i for i in more if type(i) is not int or not 0 <= i < 2**31]:
    raise InputError(
      f"eos_token_id of generation_config.json (or config.json) has {wrong[0]!r:.80}, and it must be an id "
      "of a token, or a list of them. Correct the file."
    )
  own = [] if tok is None or tok.eos_token_id is None else [tok.eos_token_id]
  return tuple(dict.fromkeys((*own, *more)))


def lead_ids(tok: PreTrainedTokenizerBase) -> list[int]:
  """The special tokens that the tokenizer puts before a text (mostly BOS, or none). What it would
  put after the text is left out: a prompt that ends in EOS is no prompt."""
  bare = tok("a", add_special_tokens=False).input_ids
  full = tok("a").input_ids
  for i in range(len(full) - len(bare) + 1):
    if bare and full[i : i + len(bare)] == bare:
      return full[:i]
  return full[:1] if full[:1] == [tok.bos_token_id] else []


def encode_prompt(tok: PreTrainedTokenizerBase, text: str) -> list[int]:
  """Raw text as ids, after the special tokens that the tokenizer puts first; a BOS written in the
  text is not doubled.

  An empty text is BOS alone (or EOS, which separates documents, where there is no BOS: a model
  needs one token to start from). Raises InputError for an empty text when there is neither.
  """
  lead = lead_ids(tok)
  ids = tok(text, add_special_tokens=False, verbose=False).input_ids if text else []
  if ids[: len(lead)] != lead:
    ids = lead + ids
  if ids:
    return ids
  start = tok.bos_token_id if tok.bos_token_id is not None else tok.eos_token_id
  if start is None:
    raise InputError("An empty prompt needs a BOS or EOS token, and this tokenizer has neither.")
  return [start]


def parse_tokens(text: str) -> dict[str, str]:
  """{token: its description, or ""} of model.new_tokens: "<brand>=our brand's name, <cta>".

  Raises InputError for a token that is empty or given twice.
  """
  found: dict[str, str] = {}
  for item in text.split(","):
    token, _, description = (part.strip() for part in item.partition("="))
    if not token or token in found:
      raise InputError(
        f"model.new_tokens={text!r}: {'an empty token' if not token else f'{token!r} twice'}. Write "
        "tokens separated by commas, each with a description or without: '<brand>=a name, <cta>'."
      )
    found[token] = description
  return found


def add_tokens(tok: PreTrainedTokenizerBase, text: str) -> dict[int, tuple[int, ...]]:
  """Adds tokens as `parse_tokens` reads them; {the id of each: the ids of its description}.

  They are ordinary tokens that are never split, so that decoding shows them. Raises InputError for
  one that the tokenizer has already.
  """
  from tokenizers import AddedToken

  wanted = parse_tokens(text)
  if known := sorted(wanted.keys() & tok.get_vocab().keys()):
    raise InputError(
      f"model.new_tokens: {known[0]!r} is a token of this model already. Leave it out: it needs no row."
    )
  begins = [
    tuple(tok(words, add_special_tokens=False, verbose=False).input_ids) if words else ()
    for words in wanted.values()
  ]
  tok.add_tokens([AddedToken(token, normalized=False, special=False) for token in wanted])
  return dict(zip(tok.convert_tokens_to_ids(list(wanted)), begins, strict=True))


def same_ids(
  tok: PreTrainedTokenizerBase | None, other: PreTrainedTokenizerBase | None, texts: Sequence[str]
) -> bool:
  """Whether ids of `tok` mean the same to `other`: by their vocabularies, of which tok's may have more
  tokens, and by what they make of `texts`. True where there is only one of them to ask."""
  if tok is None or other is None:
    return True
  known = other.get_vocab()
  if not known.items() <= tok.get_vocab().items():
    return False
  ids = lambda tok, text: tok(text, add_special_tokens=False, verbose=False).input_ids
  pairs = [(ids(tok, text), ids(other, text)) for text in texts]
  shared = set(known.values())
  return all(mine == theirs for mine, theirs in pairs if shared.issuperset(mine))
