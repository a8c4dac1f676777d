"""Records of one side of the split, training or validation, as rows of ids."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ftjax.data import format as formats
from ftjax.data.encode import Fitted, Unit, fit, text_ids
from ftjax.data.record import Record
from ftjax.data.split import keys as split_keys
from ftjax.text import thinking
from ftjax.text.chat import Encoded, Template, auto_separator
from ftjax.text.messages import Message
from ftjax.text.saved import ROWS, Sample

SAMPLE = 200  # Rows whose prompts are tokenised alone as well, to compare.
_BOOK = 16  # Windows from which on a document is split window by window: else one book could not be validated on.


class Side:
  """Encodes records; the template that the training rows choose serves the validation rows too."""

  def __init__(self, kind, named, settings, tokenizer, fitted, stops, day=""):
    self.kind, self.named, self.settings, self.tokenizer = kind, named, settings, tokenizer
    self.fitted, self.stops, self.day = fitted, stops, day
    self.template: Template | None = None
    # Of the training rows. joined: of the first SAMPLE, those whose prompt is tokenised otherwise when
    # the answer follows.
    self.joined = 0
    self.expanded = 0  # conversations that became several rows
    self.whole = 0  # rows that the split knows by all of themselves
    self.samples: list[Sample] = []
    self.lengths: list[int] = []  # before over-long ones are cut

  def encode(
    self, records: list[Record], count: bool = True
  ) -> tuple[list[Unit], list[tuple[Any, str] | None]]:
    """(units that fit into max_length, (prompt, reference) of every record, None where it has none).
    count: whether these are the training rows, which the report counts."""
    pairs: list[tuple[Any, str] | None] = [None] * len(records)
    whole = 0
    if self.kind == "tokens":
      found = [formats.to_tokens(r, self.named) for r in records]
      encoded = [(i, *e) for i, e in enumerate(found)]
      keys, whole = split_keys([_tokens_key(*e) for e in found], [e[0].tobytes() for e in found])
    elif self.kind == "text":
      keys = [formats.to_text(r, self.named) for r in records]
      encoded = [(i, *e) for i, e in enumerate(text_ids(self.tokenizer, keys))]
    else:
      rows = [formats.to_messages(r, self.kind, self.named) for r in records]
      self.template = self.template or self._template(rows)
      done = self.template.encode_many(rows, self.settings.train_on, [r.place for r in records])
      encoded = [(e.source, np.asarray(e.ids, np.int32), np.asarray(e.trained, bool)) for e in done]
      keys, whole = split_keys([formats.prompt_of(m) for m in rows], rows)
      pairs = [_pair(m) for m in rows]
      if count:
        several = Counter(e.source for e in done)
        self.expanded = sum(n > 1 for n in several.values())
        of = [[e for e in done if e.source == i] for i in range(min(ROWS, len(rows)))]
        self.samples = [Sample(m, e, r.place) for m, e, r in zip(rows, of, records, strict=False)]
        self.joined = _joined(self.template, pairs[:SAMPLE], done)
    if count:
      self.lengths, self.whole = [len(ids) for _, ids, _ in encoded], whole
    fitted = self.fitted if count else Fitted(self.fitted.limit, self.fitted.how)
    units = []
    for i, ids, trained in encoded:
      parts = fit(Unit(ids, trained, records[i].place, keys[i], i), fitted)
      if len(parts) >= _BOOK and self.kind == "text":
        parts = [p._replace(key=p.ids.tobytes()) for p in parts]
      units += parts
    return units, pairs

  def _template(self, rows: list[list[Message]]) -> Template:
    name, separator = self.settings.template, self.settings.separator
    template = Template.choose(self.tokenizer, name, separator, self.stops, self.day)
    if template.kind == "plain" and separator == "auto":
      template = Template.choose(self.tokenizer, "plain", auto_separator(rows), self.stops)
    return template


def _joined(template: Template, pairs: list[tuple[Any, str] | None], encoded: list[Encoded]) -> int:
  prompts = {i: template.render_prompt(pair[0]) for i, pair in enumerate(pairs) if pair}
  asked = {e.source for e in encoded if e.ids[: len(p := prompts.get(e.source, ()))] == p}
  return len(prompts.keys() - asked)


def _pair(messages: list[Message]) -> tuple[Any, str] | None:
  """(prompt, reference): the messages before the last answer in text (their text, where that is one
  user turn), and the answer without its thinking."""
  trained = [m["role"] == "assistant" and m.get("weight") != 0 for m in messages]
  told = [i for i, m in enumerate(messages) if trained[i] and thinking.answer(m["content"]).strip()]
  if not told or not told[-1]:
    return None
  before, answer = messages[: told[-1]], messages[told[-1]]
  alone = (
    len(before) == 1 and before[0].keys() == {"role", "content"} and before[0]["role"] == "user"
  )
  return before[0]["content"] if alone else before, thinking.answer(answer["content"])


def _tokens_key(ids: np.ndarray, trained: np.ndarray) -> bytes | None:
  """The ids before the first trained one: the prompt. None where that is the first token alone."""
  start = int(trained.argmax())
  return None if start <= 1 else ids[:start].tobytes()
