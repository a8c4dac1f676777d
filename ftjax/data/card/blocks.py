"""What a data card is made of, before it is HTML or Markdown: sections of a few kinds of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Share(NamedTuple):
  """A cell that is drawn as a bar, 0 to 1, with its percentage. tone: "kept", "lost", or "plain" for
  a bar without it. lost: a further part of the bar, after the first, that is gone."""

  of: float
  tone: str = "kept"
  lost: float = 0.0


class Measure(NamedTuple):
  """A cell with a number and its unit, set right as numbers are."""

  text: str


class Code(NamedTuple):
  """A cell or a word that is set as code: a path, a place, a key."""

  text: str


@dataclass(frozen=True)
class Tile:
  """One figure of the summary. note: what stands below it."""

  label: str
  value: str
  note: str = ""


@dataclass(frozen=True)
class Tiles:
  items: Sequence[Tile]


@dataclass(frozen=True)
class Text:
  """A paragraph. tone: "" | "quiet"."""

  text: str
  tone: str = ""


@dataclass(frozen=True)
class Alerts:
  """Warnings, each a sentence."""

  items: Sequence[str]


@dataclass(frozen=True)
class Table:
  """Rows of cells: numbers, Share, Code or text; columns of numbers are set right. caption: what the
  table says, for those who do not see it."""

  caption: str
  header: Sequence[str]
  rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Histogram:
  """counts[i] rows between edges[i] and edges[i + 1]. marks: {name: value} to draw in it."""

  caption: str
  edges: Sequence[float]
  counts: Sequence[int]
  unit: str
  marks: dict[str, float]


@dataclass(frozen=True)
class Excerpt:
  """A piece of a row. head: what is said above it, in order; after: the text after a change, None
  where there is none. The words in which `before` and `after` differ are marked."""

  head: Sequence[Any]
  before: str
  after: str | None = None
  labels: tuple[str, str] = ("before", "after")


@dataclass(frozen=True)
class Excerpts:
  items: Sequence[Excerpt]


@dataclass(frozen=True)
class Listing:
  """Commands or code, to copy."""

  text: str


@dataclass(frozen=True)
class More:
  """Blocks that are folded away until asked for."""

  summary: str
  blocks: Sequence[Any]


@dataclass(frozen=True)
class Heading:
  """The title of a part of a section."""

  text: str


@dataclass(frozen=True)
class Section:
  id: str
  title: str
  blocks: Sequence[Any]
