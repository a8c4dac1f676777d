"""Text in which nothing is markup, and nothing breaks the page."""

from __future__ import annotations

import html
import re

# Neither HTML nor UTF-8 files take them: controls but tab and line feed, halves of characters,
# non-characters. Marks that turn the direction of text could show a page other than it is.
_UNSHOWN = re.compile(
  "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def shown(text: str) -> str:
  """The text, with U+FFFD for each character that cannot be shown."""
  return _UNSHOWN.sub("\ufffd", text.replace("\r\n", "\n"))


def escape(text: str) -> str:
  """For HTML: an element's text or an attribute in double quotes."""
  return html.escape(shown(text))
