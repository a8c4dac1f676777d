"""The card as Markdown (CommonMark with GitHub's tables), every value escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ftjax.data.card import blocks as b
from ftjax.data.card.numbers import number, percent
from ftjax.data.card.words import Runs, difference, visible
from ftjax.text.shown import shown

_WIDTH = 20  # Characters of a full bar.
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~$&-])")
_NUMBERED = re.compile(r"^(\d+)([.)])")  # a list would begin there


def page(title: str, subtitle: str, sections: Sequence[b.Section]) -> str:
  """The whole card, without its YAML header."""
  parts = [f"# {plain(title)}", plain(subtitle)]
  for section in sections:
    parts += [f"## {plain(section.title)}", *map(_block, section.blocks)]
  return "\n\n".join([*parts, "Written by ftjax. All figures: report.json in this folder."]) + "\n"


def plain(text: Any) -> str:
  """Text on one line in which nothing is markup."""
  one_line = " ".join(shown(str(text)).split())
  escaped = _SPECIAL.sub(r"\\\1", one_line)
  escaped = _NUMBERED.sub(r"\1\\\2", escaped)
  return escaped.replace("://", "\\://").replace(
    "www.", "www\\."
  )  # else GitHub makes links of them


def code(text: str) -> str:
  """Text as code, in a table too."""
  text = " ".join(shown(text).split()).replace("|", "\u2223")
  fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
  pad = " " if text.startswith("`") or text.endswith("`") else ""
  return f"{fence}{pad}{text}{pad}{fence}" if text else ""


def _block(block: Any) -> str:
  return _KINDS[type(block)](block)


def _tiles(block: b.Tiles) -> str:
  rows = [(t.label, t.value, t.note) for t in block.items]
  return _table(b.Table("", ("", "", ""), rows))


def _alerts(block: b.Alerts) -> str:
  lines = ["> **Warnings**", ">", *(f"> - {plain(item)}" for item in block.items)]
  return "\n".join(lines)


def _table(block: b.Table) -> str:
  rule = []
  for i in range(len(block.header)):
    cells = [row[i] for row in block.rows]
    rule.append(
      "---:" if all(isinstance(c, (int, float, b.Measure)) or c == "" for c in cells) else "---"
    )
  rows = [[_cell(v) for v in row] for row in block.rows]
  lines = [[plain(name) for name in block.header], rule, *rows]
  return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: Any) -> str:
  if isinstance(value, b.Share):
    full = "█" * max(round(value.of * _WIDTH), 1 if value.of > 0 else 0)
    return f"{full} {plain(percent(value.of))}".strip() if value.tone != "plain" else full
  if isinstance(value, b.Measure):
    return plain(value.text)
  return code(value.text) if isinstance(value, b.Code) else plain(number(value))


def _histogram(block: b.Histogram) -> str:
  most = max(block.counts, default=0) or 1
  rows = [
    [f"{number(low)} to {number(high)}", n, b.Share(n / most, "plain")]
    for low, high, n in zip(block.edges, block.edges[1:], block.counts, strict=False)
  ]
  return _table(b.Table(block.caption, (block.unit, "rows", ""), rows))


def _excerpts(block: b.Excerpts) -> str:
  return "\n\n".join(_excerpt(item) for item in block.items)


def _excerpt(item: b.Excerpt) -> str:
  head = " · ".join(_cell(h) if isinstance(h, b.Code) else plain(h) for h in item.head)
  if item.after is None:
    return f"{head}\n\n> {plain(item.before)}"
  left, right = difference(item.before, item.after)
  rows = [f"| {plain(item.labels[0])} | {plain(item.labels[1])} |", "| --- | --- |"]
  return "\n".join([head, "", *rows, f"| {_marked(left)} | {_marked(right)} |"])


def _marked(runs: Runs) -> str:
  """Differing words in bold; spaces at their ends stay outside, as bold cannot begin with one."""
  out = []
  for text, differs in runs:
    bare = plain(visible(text) if differs else text)
    before, after = " " * text[:1].isspace(), " " * text[-1:].isspace()
    out.append(f"{before}**{bare}**{after}" if differs and bare else before + bare + after)
  return " ".join("".join(out).split(" ")) if out else ""


def _more(block: b.More) -> str:
  inner = "\n\n".join(map(_block, block.blocks))
  return f"<details>\n<summary>{plain(block.summary)}</summary>\n\n{inner}\n\n</details>"


_KINDS = {
  b.Tiles: _tiles,
  b.Text: lambda block: plain(block.text),
  b.Alerts: _alerts,
  b.Table: _table,
  b.Histogram: _histogram,
  b.Excerpts: _excerpts,
  b.Listing: lambda block: f"```\n{shown(block.text).replace('`', '')}\n```",
  b.More: _more,
  b.Heading: lambda block: f"### {plain(block.text)}",
}
