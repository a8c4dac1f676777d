"""The data card: a report as a page for people, in HTML and in Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ftjax.data.card import content, html, markdown
from ftjax.data.card.header import header
from ftjax.storage import write_text

MARKDOWN, HTML = "card.md", "card.html"


def write(report: dict[str, Any], folder: str | Path) -> None:
  """Writes card.html, one page that needs nothing beside it, and card.md, with the header of a
  Hugging Face dataset card. report: what stands in report.json. Parts that it lacks are left out."""
  title, subtitle = content.title(report), content.subtitle(report)
  sections = content.sections(report)
  folder = Path(folder)
  write_text(folder / HTML, html.page(title, subtitle, sections))
  text = header(report, title) + "\n" + markdown.page(title, subtitle, sections)
  write_text(folder / MARKDOWN, text)
