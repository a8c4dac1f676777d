"""The card as one HTML page: no script, nothing loaded from elsewhere, every value escaped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftjax.data.card import blocks as b
from ftjax.data.card.charts import bar, histogram
from ftjax.data.card.escaping import escape
from ftjax.data.card.numbers import number, percent
from ftjax.data.card.style import CSS
from ftjax.data.card.words import Runs, difference, visible

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(title: str, subtitle: str, sections: Sequence[b.Section]) -> str:
  """The whole page."""
  links = "".join(f'<a href="#{s.id}">{escape(s.title)}</a>' for s in sections[1:])
  body = "\n".join(_section(s) for s in sections)
  return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}"/>
<title>{escape(title)}: data card</title>
<style>{CSS}</style>
</head>
<body>
<main>
<header>
<h1>{escape(title)}</h1>
<p class="subtitle">{escape(subtitle)}</p>
<nav aria-label="Sections">{links}</nav>
</header>
{body}
<footer>Written by ftjax. All figures: report.json in this folder.</footer>
</main>
</body>
</html>
"""


def _section(section: b.Section) -> str:
  inner = "\n".join(map(_block, section.blocks))
  name = escape(section.id)
  return (
    f'<section id="{name}" aria-labelledby="{name}-title">\n<h2 id="{name}-title">{escape(section.title)}</h2>\n'
    f"{inner}\n</section>"
  )


def _block(block: Any) -> str:
  return _KINDS[type(block)](block)


def _tiles(block: b.Tiles) -> str:
  items = "".join(
    f'<div><dt>{escape(t.label)}</dt><dd class="value">{escape(t.value)}</dd>'
    f'<dd class="note">{escape(t.note)}</dd></div>'
    for t in block.items
  )
  return f'<dl class="tiles">{items}</dl>'


def _text(block: b.Text) -> str:
  return f'<p class="{block.tone}">{escape(block.text)}</p>' if block.tone else f"<p>{escape(block.text)}</p>"  # fmt: skip


def _alerts(block: b.Alerts) -> str:
  items = "".join(f"<li>{escape(str(item))}</li>" for item in block.items)
  title = "1 warning" if len(block.items) == 1 else f"{len(block.items)} warnings"
  return f'<div class="alerts" role="note"><strong>{title}</strong><ul>{items}</ul></div>'


def _table(block: b.Table) -> str:
  kinds = [_kind([row[i] for row in block.rows]) for i in range(len(block.header))]
  head = "".join(
    f'<th scope="col"{kind}>{escape(name)}</th>'
    for name, kind in zip(block.header, kinds, strict=True)
  )
  rows = []
  for row in block.rows:
    first = f'<th scope="row"{kinds[0]}>{_cell(row[0])}</th>'
    rest = "".join(f"<td{kind}>{_cell(v)}</td>" for v, kind in zip(row[1:], kinds[1:], strict=True))
    rows.append(f"<tr>{first}{rest}</tr>")
  caption = escape(block.caption)
  shape = "wide" if len(kinds) > 5 else "narrow" if kinds[1:] == [' class="n"'] else "plain"
  return (
    f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}"><table class="{shape}"><caption>{caption}</caption>'
    f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
  )


def _kind(cells: list[Any]) -> str:
  """The class of a column: numbers stand right, shares are drawn."""
  if any(isinstance(c, b.Share) for c in cells):
    return ' class="s"'
  return (
    ' class="n"' if all(isinstance(c, (int, float, b.Measure)) or c == "" for c in cells) else ""
  )


def _cell(value: Any) -> str:
  if isinstance(value, b.Share):
    text = "" if value.tone == "plain" else f"<b>{escape(percent(value.of))}</b>"
    return f"<span>{bar(value)}{text}</span>"
  if isinstance(value, b.Measure):
    return escape(value.text)
  if isinstance(value, b.Code):
    return f"<code>{escape(value.text)}</code>"
  return escape(number(value))


def _histogram(block: b.Histogram) -> str:
  edges = [f"{number(low)} to {number(high)}" for low, high in zip(block.edges, block.edges[1:], strict=False)]  # fmt: skip
  rows = list(zip(edges, block.counts, strict=True))
  numbers = b.More("The same in numbers", [b.Table(block.caption, (block.unit, "rows"), rows)])
  return histogram(block) + _more(numbers)


def _excerpts(block: b.Excerpts) -> str:
  return "\n".join(_excerpt(item) for item in block.items)


def _excerpt(item: b.Excerpt) -> str:
  parts = [
    _cell(h) if isinstance(h, b.Code) else f"<span>{escape(str(h))}</span>" for h in item.head
  ]
  head = f'<p class="head">{"".join(parts)}</p>'
  if item.after is None:
    return f'<div class="excerpt">{head}<p class="text">{escape(item.before)}</p></div>'
  left, right = difference(item.before, item.after)
  sides = "".join(
    f'<div><h4>{escape(label)}</h4><p class="text">{_marked(runs, tone)}</p></div>'
    for label, runs, tone in zip(item.labels, (left, right), ("gone", "new"), strict=True)
  )
  return f'<div class="excerpt">{head}<div class="sides">{sides}</div></div>'


def _marked(runs: Runs, tone: str) -> str:
  return "".join(
    f'<mark class="{tone}">{escape(visible(text))}</mark>' if differs else escape(text)
    for text, differs in runs
  )


def _more(block: b.More) -> str:
  inner = "\n".join(map(_block, block.blocks))
  return f"<details><summary>{escape(block.summary)}</summary>\n{inner}\n</details>"


_KINDS = {
  b.Tiles: _tiles,
  b.Text: _text,
  b.Alerts: _alerts,
  b.Table: _table,
  b.Histogram: _histogram,
  b.Excerpts: _excerpts,
  b.Listing: lambda block: f"<pre>{escape(block.text)}</pre>",
  b.More: _more,
  b.Heading: lambda block: f"<h3>{escape(block.text)}</h3>",
}
