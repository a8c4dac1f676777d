"""The keys of `config.dedup`, checked."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from ftjax.config import InputError
from ftjax.plugin import did_you_mean


@dataclass(frozen=True)
class Settings:
  """threshold: Jaccard similarity of shingle sets, from which on two rows are near duplicates.
  shingle: words in one. bands, rows: of the locality-sensitive hash (Leskovec, Rajaraman and
  Ullman, Mining of Massive Datasets, section 3.4): a pair of similarity s becomes a candidate with
  probability 1 - (1 - s^rows)^bands."""

  exact: bool = True
  near: bool = True
  threshold: float = 0.8
  shingle: int = 3
  bands: int = 30
  rows: int = 5
  seed: int = 1

  @classmethod
  def of(cls, config: Any) -> Settings:
    """Reads a ConfigDict or a mapping. Raises InputError for a key that does not exist and for
    values out of range."""
    if isinstance(config, cls):
      return config
    known = {f.name for f in fields(cls)}
    for key in set(config.keys()) - known:
      raise InputError(f"dedup.{key} does not exist.{did_you_mean(key, known)}")
    out = cls(**dict(config.items()))
    if not 0 < out.threshold <= 1:
      raise InputError(f"dedup.threshold={out.threshold!r} must be above 0 and at most 1.")
    for key in ("shingle", "bands", "rows"):
      value = getattr(out, key)
      if not isinstance(value, int) or value < 1:
        raise InputError(f"dedup.{key}={value!r} must be a whole number of at least 1.")
    return out

  def candidate_probability(self, similarity: float) -> float:
    """The chance that a pair of this similarity is compared at all."""
    return 1 - (1 - similarity**self.rows) ** self.bands
