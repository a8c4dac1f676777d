"""Plain transcripts with speakers ("Ada: Good morning."), with or without times. Read by name, as
"transcript:meeting.txt", for a ".txt" file is a document otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ftjax.config import InputError
from ftjax.data.record import Bad, Record, raise_error
from ftjax.data.sources._reading import DEFAULT, Reading, document
from ftjax.data.sources._speech import as_text, joined, labelled

_TIME = r"[\[(]?\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?[\])]?"
_LEADING = re.compile(rf"\s*{_TIME}(?:\s*(?:-->|-|–)\s*{_TIME})?\s*(?:[-–]\s+)?")
_ALONE = re.compile(rf"(?P<name>[^\W\d_][^:\n\d]{{0,48}}?)\s*[,(\[-]?\s*{_TIME}\s*:?\s*$")
_SPACED = re.compile(rf"^(?P<name>[^:\n]{{1,50}}?)\s+{_TIME}\s*:")


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """One record {"text"} a file: a paragraph for each turn, "Name: ...", without times. Tells `bad`
  of a file in which nobody is named."""
  text = document(path, bad, how)
  if text is None:
    return
  turns, speaker, named = [], "", False
  for line in text.split("\n"):
    line = " ".join(line.split())
    head = _ALONE.match(line)  # "Ada Lovelace  00:01:02" over the words
    if head and labelled(f"{head['name'].strip(' -–')}: "):
      speaker, named = head["name"].strip(" -–"), True
      continue
    if head := _SPACED.match(line):
      line = f"{head['name']}:{line[head.end() :]}"
    line = _LEADING.sub("", line, count=1)
    if said := labelled(line):
      speaker, line = said
      named = True
    if line:
      turns.append((speaker, line))
  if not named:
    bad(InputError(f'{path}: no line names a speaker, as in "Ada: Good morning.".'))
    return
  if not turns:
    bad(InputError(f"{path}: the transcript has no words."))
    return
  yield Record({"text": as_text(joined(turns))}, path)
