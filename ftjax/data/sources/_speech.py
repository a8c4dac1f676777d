"""Speech as text: turns of speakers, one paragraph each."""

from __future__ import annotations

import re
from collections.abc import Iterable

Turn = tuple[str, str]  # (speaker or "", words)

_NAME = r"[^\W\d_][\w.'’-]*(?: (?:[^\W\d_]|\d{1,2}\b)[\w.'’-]*){0,3}(?: \([^()\n]{1,30}\))?"
_LABEL = re.compile(
  rf"(?:>>+|[-–•*])?\s*\**(?P<name>{_NAME})\**\s*:\**(?:\s+|$)(?P<words>.*)", re.S
)
_END = re.compile(r"[.!?…][\"'”’)\]]*$")


def labelled(line: str) -> Turn | None:
  """("Ada", "Good morning.") of "Ada: Good morning."; None where no name stands before a colon. A
  name has at most four words, each with a capital or all of it in capitals, so that "He said: ..."
  and "https://..." are none."""
  found = _LABEL.match(line)
  if not found or len(found["name"]) > 50:
    return None
  words = re.sub(r"\(.*\)", "", found["name"]).split()
  named = all(
    w[0].isupper() or w[0].isdigit() or w in ("de", "van", "von", "der", "la") for w in words
  )
  return (found["name"], found["words"].strip()) if named else None


def joined(turns: Iterable[Turn]) -> list[Turn]:
  """Turns with those of the same speaker that follow each other as one."""
  out: list[Turn] = []
  for speaker, words in turns:
    words = " ".join(words.split())
    if out and out[-1][0] == speaker:
      out[-1] = (speaker, f"{out[-1][1]} {words}".strip())
    elif words or speaker:
      out.append((speaker, words))
  return [turn for turn in out if turn[1]]


def as_text(turns: Iterable[Turn]) -> str:
  """Paragraphs, "Name: ..." where a speaker is known."""
  return "\n\n".join(f"{name}: {words}" if name else words for name, words in turns)


def ends(words: str) -> bool:
  """Whether a sentence ends here."""
  return bool(_END.search(words))
