"""Messages to ids, and which of the ids are trained on.

system "Be brief."  user "Name a fish."  assistant "Cod."
text    <s>Be brief.\\nName a fish.\\nCod.</s>      (rendered once, tokenised once)
trained                              ^^^^^^^^      (what lies after the render of the messages
before the answer)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftjax.config import InputError, choice
from ftjax.text import sandbox
from ftjax.text.mask import mark
from ftjax.text.tokenizer import encode_prompt, lead_ids, stop_ids

if TYPE_CHECKING:
  from transformers import PreTrainedTokenizerBase

Messages = Sequence[Mapping[str, str]]
TRAIN_ON = ("responses", "last", "all")
_CHUNK = 1000  # Conversations tokenised at once: enough to use all cores, little enough to hold their offsets.


@dataclass(frozen=True)
class Encoded:
  """One row. trained[i]: token i is a target that is trained on; trained[0] is always False, as
  nothing precedes it."""

  ids: list[int]
  trained: list[bool]


@dataclass(frozen=True, eq=False)
class Template:
  """How messages become text, in training and at inference alike.

  kind "chat": the checkpoint's own chat template. kind "plain", for base models: every user turn
  followed by the separator, every assistant turn by EOS. stops: the ids that may end an answer; an
  answer without one is an error.
  """

  tokenizer: PreTrainedTokenizerBase
  kind: str
  separator: str = "\n"
  lead: tuple[int, ...] = ()  # Special tokens before the text; a chat template writes its own.
  stops: tuple[int, ...] = ()

  @classmethod
  def choose(
    cls,
    tokenizer: PreTrainedTokenizerBase,
    name: str = "auto",
    separator: str = "auto",
    stops: Iterable[int] = (),
  ) -> Template:
    """name "auto": the checkpoint's chat template where it has one, else "plain". separator
    "auto": a newline (see `auto_separator` for what a whole dataset says). stops: stop ids beside
    the tokenizer's EOS, as those of generation_config.json."""
    choice(name, ("auto", "chat", "plain"), "data.template")
    has = bool(getattr(tokenizer, "chat_template", None))
    kind = ("chat" if has else "plain") if name == "auto" else name
    stops = tuple(dict.fromkeys((*stop_ids(tokenizer, None), *stops)))
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
      return cls(tokenizer, "chat", "", (), stops)
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
    """One conversation; see `encode_many`."""
    return self.encode_many([messages], train_on, [place])[0]

  def encode_many(
    self, rows: Sequence[Messages], train_on: str = "responses", places: Sequence[str] | None = None
  ) -> list[Encoded]:
    """Encodes conversations. train_on: "responses" (every assistant turn), "last" (the last of
    them alone) or "all". An assistant turn with "weight": 0 is an answer that neither of the first
    two trains on.

    Raises InputError naming the row's place for: a template that cannot render it or that is not
    prefix-preserving, a doubled BOS, no trained token, an answer without a stop token.
    """
    choice(train_on, TRAIN_ON, "data.train_on")
    places = places or [f"row {i + 1}" for i in range(len(rows))]
    encoded: list[Encoded] = []
    for at in range(0, len(rows), _CHUNK):
      here = places[at : at + _CHUNK]
      texts, spans = zip(
        *(self._spans(m, train_on, p) for m, p in zip(rows[at : at + _CHUNK], here, strict=True)),
        strict=True,
      )
      out = self.tokenizer(
        list(texts),
        add_special_tokens=False,
        return_offsets_mapping=True,
        return_attention_mask=False,
        verbose=False,
      )
      for ids, offsets, row_spans, place in zip(
        out.input_ids, out.offset_mapping, spans, here, strict=True
      ):
        self._check_bos(ids, place)
        trained = mark(self.tokenizer, self.stops, ids, offsets, row_spans, not self.lead, place)
        encoded.append(Encoded([*self.lead, *ids], [False] * len(self.lead) + trained.tolist()))
    return encoded

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
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    return self._render(messages, True, "the prompt")

  def attach(self, tokenizer: PreTrainedTokenizerBase) -> None:
    """Gives `tokenizer` the chat template that was trained with, so that an exported model is
    prompted the same way."""
    if self.kind == "chat":
      tokenizer.chat_template = self.tokenizer.chat_template
      return
    lead = "".join(self.tokenizer.convert_ids_to_tokens(list(self.lead)))
    turn = lambda after: "{{ m['content'] + " + after + " }}"
    tokenizer.chat_template = (
      "{{ " + ("bos_token" if lead == self.tokenizer.bos_token else json.dumps(lead)) + " }}"
      "{% for m in messages %}{% if m['role'] == 'assistant' %}" + turn("eos_token")
      + "{% elif m['role'] == 'system' %}" + turn(json.dumps(self.separator or "\n"))
      + "{% else %}" + turn(json.dumps(self.separator)) + "{% endif %}{% endfor %}"
    )  # fmt: skip

  def _check_bos(self, ids: list[int], place: str) -> None:
    bos = self.tokenizer.bos_token_id
    if bos is not None and [*self.lead, *ids][:2] == [bos, bos]:
      raise InputError(
        f"{place}: BOS ({self.tokenizer.bos_token!r}) is doubled: the row's text begins with it, and so does what the "
        f"{self.kind} template or the tokenizer writes before the text. Remove it from the data."
      )

  def _render(self, messages: Messages, prompt: bool, place: str) -> str:
    if self.kind == "plain":
      return "".join(self._plain_turn(m, place) for m in messages)
    try:
      return sandbox.render(self.tokenizer, messages, prompt=prompt)
    except (sandbox.Failed, ValueError) as e:
      roles = ", ".join(str(m.get("role")) for m in messages)
      raise InputError(
        f"{place}: the chat template cannot render these messages (roles: {roles}): {e}. Change the row, or use "
        "data.template='plain'."
      ) from e

  def _plain_turn(self, message: Mapping[str, str], place: str) -> str:
    after = {
      "system": self.separator or "\n",
      "user": self.separator,
      "assistant": self.tokenizer.eos_token,
    }
    if message["role"] not in after:
      raise InputError(
        f"{place}: role {message['role']!r} is not known to the plain template. Use one of: {', '.join(after)}."
      )
    text, end = message["content"], after[message["role"]]
    return (text.removesuffix(end) if message["role"] == "assistant" else text) + end

  def _spans(
    self, messages: Messages, train_on: str, place: str
  ) -> tuple[str, list[tuple[int, int]]]:
    """The whole text, and the spans of it that are trained on, as character offsets."""
    answers = [i for i, m in enumerate(messages) if m["role"] == "assistant"]
    if not answers:
      raise InputError(
        f"{place}: no trained token: the row has no assistant turn (roles: "
        f"{', '.join(m['role'] for m in messages) or 'none'}). Give it one, or remove the row."
      )
    text = self._render(messages, False, place)
    if train_on == "all":
      return text, [(0, len(text))]
    chosen = [i for i in answers if messages[i].get("weight") != 0]
    if not chosen:
      raise InputError(
        f"{place}: no trained token: every answer has the weight 0. Give one the weight 1, or remove the row."
      )
    spans = []
    for i in chosen if train_on == "responses" else chosen[-1:]:
      prompt = self._render(messages[:i], True, place) if i else ""
      last = i + 1 == len(messages)
      turn = text if last else self._render(messages[: i + 1], False, place)
      for name, part, whole in (("prompt", prompt, turn), ("conversation", turn, text)):
        if not whole.startswith(part):
          last_only = (
            ""
            if train_on == "last"
            else "data.train_on='last' (a row trains its last answer alone), "
          )
          raise InputError(
            f"{place}: the chat template is not prefix-preserving: the {name} up to message {i + 1} is not how the "
            f"longer conversation begins{_fork(part, whole)}. So the trained part cannot be told from the rest. "
            f"Use {last_only}data.train_on='all', or data.template='plain'."
          )
      spans.append((len(prompt), len(turn)))
    return text, spans


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


def _fork(part: str, whole: str) -> str:
  """Where two texts part ways, for an error."""
  i = next((i for i, (a, b) in enumerate(zip(part, whole, strict=False)) if a != b), len(whole))
  return f" (character {i}: {part[i : i + 30]!r} against {whole[i : i + 30]!r})"
