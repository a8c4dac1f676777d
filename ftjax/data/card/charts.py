"""Pictures of the card as inline SVG. They hold shapes alone and stretch to any width; what is to be
read stands beside them as HTML, at the size of the rest of the page."""

from __future__ import annotations

from collections.abc import Sequence

from ftjax.data.card.blocks import Histogram, Share
from ftjax.data.card.escaping import escape
from ftjax.data.card.numbers import count, number

_HEIGHT = 120
_MARKED = ("p5", "p50", "p95")


def bar(share: Share) -> str:
  """A bar of a table's row. It is hidden from screen readers: its number stands next to it."""
  parts = [("ground", 0.0, 1.0), (share.tone, 0.0, share.of), ("lost", share.of, share.lost)]
  drawn = "".join(
    f'<rect class="{tone}" x="{100 * at:.2f}" width="{100 * wide:.2f}" height="10"/>'
    for tone, at, wide in parts
    if wide > 0
  )
  return f'<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{drawn}</svg>'


def histogram(h: Histogram) -> str:
  """Bars of equal width with the edges below, and lines at the marks."""
  n, most = len(h.counts), max(h.counts, default=0) or 1
  bars, gap = [], 0.12 * min(n, 10)  # as wide in a picture of few bars as of ten
  for i, rows in enumerate(h.counts):
    tall = rows / most * (_HEIGHT - 4)
    tall = max(tall, 1.5) if rows else 0
    told = f"{number(h.edges[i])} to {number(h.edges[i + 1])} {h.unit}: {count(rows, 'row')}"
    bars.append(
      f'<rect class="kept" x="{i * 10 + gap / 2:.2f}" y="{_HEIGHT - tall:.1f}" width="{10 - gap:.2f}" height="{tall:.1f}">'
      f"<title>{escape(told)}</title></rect>"
    )
  marks = {name: at for name, value in h.marks.items() if name in _MARKED
           for at in [_place(value, h.edges)] if at is not None}  # fmt: skip
  lines = [
    f'<line class="mark" x1="{at * n * 10:.2f}" x2="{at * n * 10:.2f}" y1="0" y2="{_HEIGHT}"/>'
    for at in marks.values()
  ]
  svg = (
    f'<svg class="histogram" viewBox="0 0 {n * 10} {_HEIGHT}" preserveAspectRatio="none" role="img" '
    f'aria-label="{escape(_told(h))}">{"".join(bars)}{"".join(lines)}</svg>'
  )
  return f'<div class="plot">{_labels(marks)}{svg}{_axis(h.edges)}</div>'


def _told(h: Histogram) -> str:
  """The picture in a sentence."""
  top = max(range(len(h.counts)), key=h.counts.__getitem__)
  return (
    f"{h.caption}: {number(sum(h.counts))} rows between {number(h.edges[0])} and {number(h.edges[-1])} {h.unit}; "
    f"most, {number(h.counts[top])}, between {number(h.edges[top])} and {number(h.edges[top + 1])}."
  )


def _place(value: float, edges: Sequence[float]) -> float | None:
  """Where a value stands between the first and the last edge, 0 to 1, in bars of equal width."""
  for i, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
    if low <= value < high:
      return (i + (value - low) / (high - low)) / (len(edges) - 1)
  return None


def _labels(marks: dict[str, float]) -> str:
  """The names of the marks above the bars; a name too near the one before it is left out."""
  out, last = [], -1.0
  for name, at in sorted(marks.items(), key=lambda item: item[1]):
    if at - last >= 0.08:
      out.append(f'<span style="left:{at:.2%}">{escape(name)}</span>')
      last = at
  return f'<div class="marks" aria-hidden="true">{"".join(out)}</div>' if out else ""


def _axis(edges: Sequence[float]) -> str:
  """At most six of the edges, at their places."""
  n = len(edges) - 1
  step = max(1, -(-n // 5))
  shown = [i for i in range(0, n + 1, step) if n - i >= step / 2 or i == n]
  if shown[-1] != n:
    shown.append(n)
  spans = "".join(
    f'<span style="left:{i / n:.2%}">{escape(number(edges[i]))}</span>' for i in shown
  )
  return f'<div class="axis" aria-hidden="true">{spans}</div>'
