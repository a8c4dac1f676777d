"""Text in which nothing is markup, and nothing breaks the page."""

from __future__ import annotations

import html

from ftjax.text.shown import shown


def escape(text: str) -> str:
  """For HTML: an element's text or an attribute in double quotes."""
  return html.escape(shown(text))
