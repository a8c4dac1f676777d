"""What the data turned out to be, for the user to read before the run starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ftjax.data.encode import Fitted, Rows
from ftjax.data.pack import best_fit

if TYPE_CHECKING:
  from transformers import PreTrainedTokenizerBase

  from ftjax.data.prepare import Data

_MARKS = ("⟦", "⟧")
_CUT = 0.05  # Share of rows without their end from which on it is a warning.
_SHOWN = 400  # Characters of each part of the example; the middle of a longer one is left out.


@dataclass
class Report:
  """Filled by `load`; `lines` renders it."""

  format: str
  detected: bool
  max_length: int
  full: bool = False  # whether the model has no more positions than max_length
  template: str = ""
  records: int = 0
  rows: int = 0  # that they became, before over-long ones were split or dropped
  train: int = 0
  validation: int = 0
  lengths: dict[str, int] = field(
    default_factory=dict
  )  # "50%", "90%", "99%", "longest" -> ids, as encoded
  tokens: int = 0  # ids of the training rows
  trained_tokens: int = 0
  fitted: Fitted | None = None
  pack: bool = True
  fill: dict[str, float] = field(
    default_factory=dict
  )  # "packed", "unpacked" -> share of places that hold a token
  example_place: str = ""
  example: list[tuple[str, bool]] = field(
    default_factory=list
  )  # runs of text, and whether they are trained on
  notes: list[str] = field(default_factory=list)

  def measure(
    self,
    data: Data,
    records: int,
    lengths: list[int],
    pack: bool,
    tokenizer: PreTrainedTokenizerBase | None,
  ) -> None:
    """Fills in what `data` shows. records: how many were read. lengths: the ids of every row that
    they became, before over-long ones were cut."""
    self.records, self.rows = records, len(lengths)
    self.train, self.validation = len(data.train), len(data.validation)
    at = np.percentile(lengths, [50, 90, 99, 100], method="higher").astype(int).tolist()
    self.lengths = dict(zip(("50%", "90%", "99%", "longest"), at, strict=True))
    self.tokens, self.trained_tokens = len(data.train.ids), data.train.trained_tokens
    taken, self.pack = data.train.places_taken, pack
    packed = len(best_fit(taken.tolist(), data.max_length))
    self.fill = {
      "packed": float(taken.sum() / (packed * data.max_length)),
      "unpacked": float(taken.sum() / (len(taken) * taken.max())),
    }
    self.example_place, self.example = data.train.place(0), _runs(data.train, tokenizer)
    if data.template is not None:
      t = data.template
      self.template = (
        "the checkpoint's chat template"
        if t.kind == "chat"
        else f"plain, separator {t.separator!r}"
      )

  def lines(self, markup: bool = False) -> list[str]:
    """The report as lines of text. markup: rich's markup, in which trained parts are green; else
    they stand between brackets of their own."""
    how = "detected" if self.detected else "as data.format says"
    out = [f"format      {self.format} ({how})" + (f"; {self.template}" if self.template else "")]
    out.append(
      f"rows        {self.records:,} read; {self.train:,} to train on, {self.validation:,} for validation"
    )
    out.append("tokens/row  " + "   ".join(f"{k} {v:,}" for k, v in self.lengths.items()))
    out.append(f"max_length  {self.max_length:,}: {self._overlong()}")
    if self.cut >= _CUT:
      out.append(
        f"WARNING     {self.cut:.1%} of the rows lose their end, so the model learns texts that do not end: "
        + (
          "set data.overlong=drop, or take a model with more positions"
          if self.full
          else f"raise data.max_length (to {self.lengths['longest']:,} for all, {self.lengths['99%']:,} for 99%), or set "
          "data.overlong=drop"
        )
      )
    share = self.trained_tokens / max(1, self.tokens)
    out.append(f"trained     {self.trained_tokens:,} of {self.tokens:,} tokens ({share:.1%})")
    packed, unpacked = self.fill["packed"], self.fill["unpacked"]
    out.append(
      f"filled      {packed:.1%} of the places (packed; unpacked {unpacked:.1%})"
      if self.pack
      else f"filled      {unpacked:.1%} of the places (data.pack=True would fill {packed:.1%})"
    )
    out += [f"note        {note}" for note in self.notes]
    out.append(
      f"example     {self.example_place}; what is trained on is {'green' if markup else 'in ' + ''.join(_MARKS)}:"
    )
    return [_escape(line) if markup else line for line in out] + self._rendered(markup).split("\n")

  @property
  def cut(self) -> float:
    """The share of rows that lose their end to data.max_length."""
    return self.fitted.truncated / max(1, self.rows) if self.fitted else 0.0

  def _overlong(self) -> str:
    f = self.fitted
    if f is None or not f.truncated + f.dropped + f.split:
      return "every row fits"
    share = lambda n: f"{n:,} of {self.rows:,} rows ({n / self.rows:.1%})"
    if f.split:
      return f"{share(f.split)} are longer, and split into {f.windows:,} windows"
    if f.dropped:
      return f"{share(f.dropped)} are longer, and dropped"
    return f"{share(f.truncated)} are longer, and truncated: they lose their end, EOS with it"

  def _rendered(self, markup: bool) -> str:
    left, right = ("[bold green]", "[/]") if markup else _MARKS
    shown = ((_escape(_short(t)) if markup else _short(t), trained) for t, trained in self.example)
    return "".join(f"{left}{text}{right}" if trained else text for text, trained in shown)


def _runs(rows: Rows, tokenizer: PreTrainedTokenizerBase | None) -> list[tuple[str, bool]]:
  """The first row as text (as ids, where there is no tokenizer), cut where the mask changes. It is
  decoded from the ids that are trained on, so that it shows what the model sees."""
  ids, trained = rows.row(0)
  cuts = [0, *(np.flatnonzero(trained[1:] != trained[:-1]) + 1).tolist(), len(ids)]
  text = lambda end: (
    " ".join(map(str, ids[:end]))
    if tokenizer is None
    else tokenizer.decode(ids[:end].tolist(), clean_up_tokenization_spaces=False)
  )
  runs, before = [], ""
  for start, end in zip(cuts, cuts[1:], strict=False):
    whole = text(end)
    runs.append((whole[len(before) :], bool(trained[start])))
    before = whole
  return runs


def _short(text: str) -> str:
  half = _SHOWN // 2
  return text if len(text) <= _SHOWN else f"{text[:half]} [...] {text[-half:]}"


def _escape(text: str) -> str:
  from rich.markup import escape

  return escape(text)
