"""Messages to ids, and which of the ids are trained on.

system "Be brief."  user "Name a fish."  assistant "Cod."
text    <s>Be brief.\\nName a fish.\\nCod.</s>      (rendered once, tokenised once)
trained                              ^^^^^^^^      (what lies after the render of the messages
before the answer)
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ftjax.config import InputError, choice
from ftjax.text import messages as form
from ftjax.text import rendering
from ftjax.text.mask import mark, parted
from ftjax.text.spans import texts
from ftjax.text.tokenizer import encode_prompt, lead_ids, stop_ids

if TYPE_CHECKING:
  from transformers import PreTrainedTokenizerBase

Messages = Sequence[Mapping[str, Any]]  # in the form of text/messages.py
TRAIN_ON = ("responses", "last", "all")
_CHUNK = 1000  # Conversations tokenised at once: enough to use all cores, little enough to hold their offsets.


@dataclass(frozen=True)
class Encoded:
  """One row. trained[i]: token i is a target that is trained on; trained[0] is always False, as
  nothing precedes it. source: the index of the conversation that it was made of."""

  ids: list[int]
  trained: list[bool]
  source: int = field(default=0, compare=False)


@dataclass(frozen=True, eq=False)
class Template:
  """How messages become text, in training and at inference alike.

  kind "chat": the checkpoint's own chat template. kind "plain", for base models: every user turn
  followed by the separator, every assistant turn by EOS. stops: the ids that may end an answer; an
  answer without one is an error. day: the date that a chat template which writes one is told ("" = today),
  so that rows that are read again tomorrow are the same.
  """

  tokenizer: PreTrainedTokenizerBase
  kind: str
  separator: str = "\n"
  lead: tuple[int, ...] = ()  # Special tokens before the text; a chat template writes its own.
  stops: tuple[int, ...] = ()
  day: str = ""

  @classmethod
  def choose(
    cls,
    tokenizer: PreTrainedTokenizerBase,
    name: str = "auto",
    separator: str = "auto",
    stops: Iterable[int] = (),
    day: str = "",
  ) -> Template:
    """name "auto": the checkpoint's chat template where it has one, else "plain". separator
    "auto": a newline (see `auto_separator` for what a whole dataset says). stops: stop ids beside
    the tokenizer's EOS, as those of generation_config.json."""
    choice(name, ("auto", "chat", "plain"), "data.template")
    has = bool(getattr(tokenizer, "chat_template", None))
    kind = ("chat" if has else "plain") if name == "auto" else name
    stops = tuple(dict.fromkeys((*stop_ids(tokenizer), *stops)))
    if kind == "chat":
      if not has:
        raise InputError(
          "data.template='chat' needs a tokenizer with a chat template, and this one has none. Use "
          "data.template='plain', or put a chat_template.jinja into the model folder."
        )
      if separator != "auto":
        raise InputError(
          f"data.separator={separator!r} would not be used: this checkpoint has a chat template, which writes its own "
          "boundaries. Set data.template='plain' to use the separator, or leave data.separator='auto'."
        )
      return cls(tokenizer, "chat", "", (), stops, day)
    if tokenizer.eos_token is None:
      raise InputError(
        "The tokenizer has no EOS token, so the model could not learn where an answer ends. Set eos_token in "
        "tokenizer_config.json, or use data.template='chat' with a chat template."
      )
    separator = "\n" if separator == "auto" else separator
    return cls(tokenizer, "plain", separator, tuple(lead_ids(tokenizer)), stops)

  def encode(
    self, messages: Messages, train_on: str = "responses", place: str = "the row"
  ) -> Encoded:
    """One conversation that becomes one row; see `encode_many`."""
    rows = self.encode_many([messages], train_on, [place])
    if len(rows) > 1:
      raise InputError(
        f"{place}: the template makes {len(rows)} rows of this conversation, one for each answer. Use encode_many."
      )
    return rows[0]

  def encode_many(
    self, rows: Sequence[Messages], train_on: str = "responses", places: Sequence[str] | None = None
  ) -> list[Encoded]:
    """Encodes conversations, in order. train_on: "responses" (every assistant turn), "last" (the
    last of them alone) or "all". An assistant turn with "weight": 0 is an answer that neither of the
    first two trains on.

    A conversation becomes one row; or one for each trained answer where the template renders an
    answer otherwise once more turns follow, as those of thinking models do. Raises InputError naming
    the row's place for: a template that cannot render it or leaves out what it says, one whose prompt
    is not how the answered conversation begins, a doubled BOS, no trained token, an answer without a
    stop token.
    """
    choice(train_on, TRAIN_ON, "data.train_on")
    places = places or [f"row {i + 1}" for i in range(len(rows))]
    encoded: list[Encoded] = []
    for at in range(0, len(rows), _CHUNK):
      here = [
        (i, text, parts)
        for i in range(at, min(at + _CHUNK, len(rows)))
        for text, parts in texts(self, rows[i], train_on, places[i])
      ]
      tokens = self._tokens([text for _, text, _ in here])
      for (i, text, parts), (ids, offsets) in zip(here, tokens, strict=True):
        ids, offsets = self._prompted(text, ids, offsets, [start for start, _ in parts])
        self._check_bos(ids, places[i])
        trained = mark(self.tokenizer, self.stops, ids, offsets, parts, not self.lead, places[i])
        ids, trained = [*self.lead, *ids], [False] * len(self.lead) + trained.tolist()
        encoded.append(Encoded(ids, trained, i))
    return encoded

  def _tokens(self, texts: list[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
    """(ids, the characters of each) of every text."""
    out = self.tokenizer(
      texts,
      add_special_tokens=False,
      return_offsets_mapping=True,
      return_attention_mask=False,
      verbose=False,
    )
    return list(zip(out.input_ids, out.offset_mapping, strict=True))

  def _prompted(self, text: str, ids, offsets, starts: list[int]):
    """(ids, offsets) as the model will see them: where a token spans the end of a prompt, the prompt
    is tokenised apart from its answer, as at inference. Not for tokenizers that begin every text
    with a space of their own."""
    cuts = parted(offsets, starts)
    if not cuts:
      return ids, offsets
    edges = [0, *cuts, len(text)]
    pieces = self._tokens([text[a:b] for a, b in zip(edges, edges[1:], strict=False)])
    joined = [i for some, _ in pieces for i in some]
    decode = lambda ids: self.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    if decode(joined) != decode(ids):
      return ids, offsets
    moved = zip(edges, pieces, strict=False)
    return joined, [(a + at, b + at) for at, (_, spans) in moved for a, b in spans]

  def render_prompt(self, prompt: str | Messages) -> list[int]:
    """The ids to generate an answer from: a prompt (taken as one user turn) or messages that end
    before the answer."""
    text = self.render_text(prompt)
    return (
      encode_prompt(self.tokenizer, text)
      if self.kind == "plain"
      else self.tokenizer(text, add_special_tokens=False, verbose=False).input_ids
    )

  def render_text(self, prompt: str | Messages) -> str:
    """The text to generate an answer from (in "plain", without the special tokens that the
    tokenizer puts first)."""
    given = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    return self.render(form.normal(given, "the prompt"), True, "the prompt")

  def attach(self, tokenizer: PreTrainedTokenizerBase) -> None:
    """Gives `tokenizer` the chat template that was trained with, so that an exported model is
    prompted the same way."""
    if self.kind == "chat":
      tokenizer.chat_template = self.tokenizer.chat_template
    else:
      tokenizer.chat_template = rendering.plain_template(tokenizer, self.separator, self.lead)

  def _check_bos(self, ids: list[int], place: str) -> None:
    bos = self.tokenizer.bos_token_id
    if bos is not None and [*self.lead, *ids][:2] == [bos, bos]:
      raise InputError(
        f"{place}: BOS ({self.tokenizer.bos_token!r}) is doubled: the row's text begins with it, and so does what the "
        f"{self.kind} template or the tokenizer writes before the text. Remove it from the data."
      )

  @functools.cached_property
  def chat(self) -> rendering.Chat:
    return rendering.Chat(self.tokenizer, self.day)

  def render(self, messages: Messages, prompt: bool, place: str) -> str:
    """The text of messages. prompt: with what stands before an answer."""
    if self.kind == "plain":
      return rendering.plain(messages, self.separator, self.tokenizer.eos_token, place)
    return self.chat.render(messages, prompt, place)


def auto_separator(rows: Iterable[Messages]) -> str:
  """ "" when most answers already stand apart from their prompt (the prompt ends, or the answer
  begins, in whitespace), else a newline."""
  own = total = 0
  for messages in rows:
    for before, after in zip(messages, messages[1:], strict=False):
      if before["role"] == "user" and after["role"] == "assistant":
        total += 1
        own += before["content"][-1:].isspace() or after["content"][:1].isspace()
  return "" if own * 2 > total else "\n"
