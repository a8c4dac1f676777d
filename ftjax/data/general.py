"""General text beside a run's own rows: what of it is measured, to see what a model forgets, and what
is trained on, so that it forgets less."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ftjax.config import InputError
from ftjax.data import prepare
from ftjax.data.encode import Rows

STARTER = Path(__file__).resolve().parents[1] / "assets" / "general.jsonl"
MEASURED = (
  0.5  # of the texts, chosen by a hash: the others are for replay, whether it is used or not
)
MOST = 50_000  # tokens to measure: an evaluation should not take longer than the training between


@dataclass(frozen=True)
class Replay:
  """`train.replay`: the share of the trained tokens that general text has, and where it is from
  ("": the part of eval.general that is not measured)."""

  share: float = 0.0
  source: str = ""

  @classmethod
  def parse(cls, text: Any) -> Replay:
    """Reads "0.2", "rows.jsonl@0.2", or "" for none. Raises InputError for anything else."""
    text = str(text).strip()
    found = re.fullmatch(r"(?:(.+)@)?([0-9]*\.?[0-9]+)", text or "0")
    if not found or not 0 <= float(found[2]) < 1:
      raise InputError(
        f"train.replay={text!r}: give the share of trained tokens that general text shall have, below "
        "1, as in '0.2' (of eval.general) or 'rows.jsonl@0.2'."
      )
    return cls(float(found[2]), (found[1] or "").strip())


NO_REPLAY = Replay()


@dataclass(frozen=True)
class General:
  """General text as rows; None where the config asks for none. measured: to evaluate on, and never
  trained on. replayed: to mix in."""

  measured: Rows | None
  replayed: Rows | None
  max_length: int


def load(
  spec: str, replay: Replay, settings: Mapping[str, Any], tokenizer, **options: Any
) -> General | None:
  """Reads what `eval.general` and `train.replay` name, encoded as the run's own rows are.

  spec: as data.validation, "starter" for the text that comes with ftjax, or "". settings: config.data,
  of which format and columns are the run's own rows' alone. options: of data.prepare.load. Raises
  InputError where there is nothing to measure, or to replay.
  """
  common = {k: settings[k] for k in ("max_length", "overlong", "template", "train_on")}

  def read(key: str, name: str, fraction: float) -> prepare.Data:
    chosen = common | {"train": name, "validation_fraction": fraction}
    try:
      return prepare.load(chosen, tokenizer, **options)
    except InputError as e:
      raise InputError(f"{key}={name!r}: {e}") from e

  measured = replayed = None
  limit = 0
  if spec:
    data = read("eval.general", str(STARTER) if spec == "starter" else spec, MEASURED)
    if not len(data.validation):
      raise InputError(
        f"eval.general={spec!r}: half of the texts are measured, chosen by a hash, and of "
        f"{len(data.train)} none fell to it. Name more text."
      )
    measured, replayed, limit = _first(data.validation, MOST), data.train, data.max_length
  if replay.share and replay.source:
    replayed = read("train.replay", replay.source, 0.0).train
  elif replay.share and replayed is None:
    raise InputError(
      f"train.replay={replay.share:g} takes its text from eval.general, which is empty. Name rows there, "
      f"or here: 'rows.jsonl@{replay.share:g}'."
    )
  return (
    General(measured, replayed if replay.share else None, limit) if spec or replay.share else None
  )


def mixed(rows: Rows, general: Rows, share: float) -> Rows:
  """`rows`, and among them as many of `general` as make `share` of the trained tokens, evenly
  spread; marked in `Rows.general`.

  General rows come in a random order that is always the same, all of them before one comes again.
  """
  wanted = share / (1 - share) * rows.trained_tokens
  trained = np.add.reduceat(general.trained.astype(np.int64), general.offsets[:-1])
  random = np.random.RandomState(0)
  chosen: list[int] = []
  while wanted > 0:
    for i in random.permutation(len(general)).tolist():
      if wanted <= 0:
        break
      chosen.append(i)
      wanted -= trained[i]
  sides = [rows, general]
  at = np.concatenate([(np.arange(n) + 0.5) / n for n in (len(rows), len(chosen)) if n])
  which = [(0, i) for i in range(len(rows))] + [(1, i) for i in chosen]
  order = [which[k] for k in np.argsort(at, kind="stable")]
  parts = [sides[side].row(i) for side, i in order]
  return Rows(
    np.concatenate([ids for ids, _ in parts]),
    np.concatenate([trained for _, trained in parts]),
    np.cumsum([0, *(len(ids) for ids, _ in parts)], dtype=np.int64),
    [sides[side].place(i) for side, i in order],
    rows.prompts,
    rows.references,
    np.array([side for side, _ in order], bool),
  )


def _first(rows: Rows, tokens: int) -> Rows:
  """The first rows, up to this many tokens."""
  n = max(1, int(np.searchsorted(rows.offsets, tokens, side="right")) - 1)
  n = min(n, len(rows))
  end = rows.offsets[n]
  return Rows(rows.ids[:end], rows.trained[:end], rows.offsets[: n + 1], rows.places[:n])
