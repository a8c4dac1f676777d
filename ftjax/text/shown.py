"""Text as people may be shown it, whoever wrote it."""

import re

# Neither HTML nor UTF-8 files nor terminals take them: controls but tab and line feed, halves of
# characters, non-characters. Marks that turn the direction of text could show a page other than it
# is.
_UNSHOWN = re.compile(
  "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def shown(text: str) -> str:
  """The text, with U+FFFD for each character that cannot be shown."""
  return _UNSHOWN.sub("\ufffd", text.replace("\r\n", "\n"))
