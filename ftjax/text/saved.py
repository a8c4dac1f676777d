"""Whether a model that is saved will be prompted as it was trained."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ftjax.config import InputError
from ftjax.text.chat import Encoded, Messages, Template
from ftjax.text.tokenizer import load_tokenizer, save_tokenizer

if TYPE_CHECKING:
  from transformers import PreTrainedTokenizerBase

ROWS = 8  # are rendered both ways


class Sample(NamedTuple):
  """A training row: its messages, the rows of ids that it became, and where it stands."""

  messages: Messages
  encoded: list[Encoded]
  place: str


def check(template: Template, samples: Sequence[Sample], train_on: str) -> None:
  """Saves the tokenizer with the template, as an export does, reads it back, and renders training
  rows with it, as everybody else will. Raises InputError naming the first row that has other ids, or
  whose last prompt has."""
  saved = _saved(template)
  again = Template.choose(saved, "chat", stops=template.stops, day=template.day)
  end = template.tokenizer.eos_token if template.kind == "plain" else ""  # which is added once
  for messages, encoded, place in samples[:ROWS]:
    messages = [m | {"content": m["content"].removesuffix(end)} for m in messages]
    last = max(i for i, m in enumerate(messages) if m["role"] == "assistant")
    if before := messages[:last]:
      _check_header(again, before, place)
      _same(
        saved, template.render_prompt(before), again.render_prompt(before), f"{place}, its prompt"
      )
    for ours, theirs in zip(encoded, again.encode_many([messages], train_on, [place]), strict=True):
      _same(saved, ours.ids, theirs.ids, place)


def _check_header(template: Template, before: Messages, place: str) -> None:
  """Raises InputError where a prompt lacks the header that the template writes before an answer: it
  would be trained on, and written with every answer."""
  prompt = template.render(before, True, place)
  answer = {"role": "assistant", "content": "what is answered"}
  whole = template.render([*before, answer], False, place)
  start = whole.find(answer["content"], len(prompt))
  header = whole[len(prompt) : start].strip()
  if prompt == template.render(before, False, place) and start >= 0 and header:
    raise InputError(
      f"{place}: the chat template writes {header!r} before an answer, but not at the end of a prompt, so the model would "
      "have to write it. End the template of the model's folder in {% if add_generation_prompt %}"
      f"{header}{{% endif %}}, or use data.template='plain'."
    )


def _saved(template: Template) -> PreTrainedTokenizerBase:
  tokenizer = template.tokenizer
  own = tokenizer.chat_template
  with tempfile.TemporaryDirectory() as folder:
    template.attach(tokenizer)
    try:
      save_tokenizer(tokenizer, folder)
    finally:
      tokenizer.chat_template = own
    return load_tokenizer(folder)


def _same(
  tokenizer: PreTrainedTokenizerBase, ours: list[int], theirs: list[int], what: str
) -> None:
  if ours == theirs:
    return
  i = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
  at = max(0, (min(len(ours), len(theirs)) if i is None else i) - 2)
  shown = lambda ids: tokenizer.convert_ids_to_tokens(ids[at : at + 6])
  raise InputError(
    f"{what}: the tokenizer, as it will be saved with the model, reads this otherwise than training does (from token "
    f"{at + 1}: {shown(theirs)} against {shown(ours)}), so the model would be prompted with what it never saw. Choose "
    "another data.separator or data.template, or save the base model's tokenizer anew: "
    "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)."
  )
