"""Rows out of a file that may be broken: lines of bounded size, in whatever encoding, as values.

A row is a line. Where a line is not JSON it is read for what it means (tolerant.py); where it breaks
off, it is joined with those that follow, as in a file that was pretty-printed or whose strings hold
line breaks. A file that is one list gives its members.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from ftjax.data.lint import tolerant
from ftjax.data.lint.decoding import Line, error, lines
from ftjax.data.lint.problem import Problem
from ftjax.data.lint.wording import BROKEN
from ftjax.storage import open_file

_JOINED = 10_000  # Lines that one row may be spread over.
_NOTHING = object()
_MARKS = re.compile(r'\\.|["{}\[\]]|\\$', re.DOTALL)


class Found(NamedTuple):
  """value: a row (mostly an object), or None where there is none to be had. raw: the line as it
  stands, where the value is all that it holds. text: the row's own text, for columns."""

  line: int
  raw: bytes | None
  text: str
  value: Any
  problems: list[Problem]


def found(path: str, limit: int, is_list: bool) -> Iterator[Found]:
  """The rows of a file. limit: the bytes of a line at most. is_list: a list is what the file should
  be (".json"), so being one is no error."""
  with open_file(path) as f:
    waiting: deque[Line] = deque()
    source = lines(f, limit)
    first = True
    while line := _next(waiting, source):
      if line.text is None:
        yield Found(line.number, None, "", None, line.problems)
        continue
      if not line.text.strip():
        continue
      if first and line.text.lstrip().startswith("[") and _strict(line.text) is _NOTHING:
        yield from _members(line, waiting, source, limit, is_list)
      else:
        yield from _row(line, waiting, source, limit, is_list)
      first = False


def _next(waiting: deque[Line], source: Iterator[Line]) -> Line | None:
  return waiting.popleft() if waiting else next(source, None)


def _strict(text: str) -> Any:
  def refuse(name):
    raise ValueError(name)

  try:
    return json.loads(text, parse_constant=refuse)
  except (ValueError, RecursionError):
    return _NOTHING


def _row(line: Line, waiting, source, limit: int, is_list: bool) -> Iterator[Found]:
  value = _strict(line.text)
  if value is not _NOTHING:
    yield from _spread(line, [value], line.problems, is_list)
    return
  try:
    values, notes = tolerant.parse(line.text)
  except tolerant.Broken as broken:
    joined = _join(line, waiting, source, limit)
    if joined is None:
      problem = error(BROKEN, line.number, broken.at, why=broken.what)
      yield Found(line.number, None, line.text, None, [*line.problems, problem])
      return
    line, values, notes = joined
  problems = [error(note.code, *_place(line, note.at)) for note in _once(notes)]
  yield from _spread(line._replace(raw=b""), values, [*line.problems, *problems], is_list)


def _once(notes: list[tolerant.Note]) -> list[tolerant.Note]:
  return list({note.code: note for note in reversed(notes)}.values())[::-1]


def _place(line: Line, at: int) -> tuple[int, int]:
  before = line.text[:at]
  return line.number + before.count("\n"), at - (before.rfind("\n") + 1)


def _spread(
  line: Line, values: list[Any], problems: list[Problem], is_list: bool
) -> Iterator[Found]:
  """A line's values as rows: a list of messages is one row, another list is several."""
  value = values[0] if len(values) == 1 else _NOTHING
  if isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
    if any("role" in v or "from" in v for v in value):
      problem = error("bare-messages", line.number, 0)
      values, line = [{"messages": value}], line._replace(raw=b"")
      problems = [*problems, problem]
    else:
      values, line = value, line._replace(raw=b"")
      problems = problems if is_list else [*problems, error("list", line.number, 0)]
  for i, value in enumerate(values):
    raw = line.raw if line.raw and len(values) == 1 and not problems else None
    yield Found(line.number, raw, line.text, value, problems if i == 0 else [])


def _join(line: Line, waiting: deque[Line], source: Iterator[Line], limit: int):
  """The line and those after it that close what it opens; None, with all of them given back, where
  none does or where a row of its own begins before."""
  taken, text, state = [], line.text, _State()
  state.feed(line.text)
  while state.open and len(taken) < _JOINED and len(text) < limit:
    more = _next(waiting, source)
    if more is None:
      break
    taken.append(more)
    if more.text is None or (more.text[:1] == "{" and isinstance(_strict(more.text), dict)):
      break
    text += more.text
    state.feed(more.text)
    if not state.open:
      try:
        values, notes = tolerant.parse(text)
      except tolerant.Broken:
        break
      if not any(note.code == "line-break" for note in notes):
        notes = [tolerant.Note("spread", 0), *notes]
      return line._replace(text=text), values, notes
  waiting.extendleft(reversed(taken))
  return None


class _State:
  """How many brackets are open after the text so far, and whether a string is."""

  def __init__(self, depth: int = 0):
    self.depth, self.string = depth, False

  @property
  def open(self) -> bool:
    return self.depth > 0 or self.string

  def feed(self, text: str, stop: int | None = None) -> int:
    """Goes on with `text`, which does not end between a backslash and its character; returns the
    place after the bracket that left `stop` open, -1 where none did."""
    for found in _MARKS.finditer(text):
      c = found[0]
      if c == '"':
        self.string = not self.string
      elif not self.string and c in "{[":
        self.depth += 1
      elif not self.string and c in "}]":
        self.depth -= 1
        if self.depth == stop:
          return found.end()
    return -1


def _members(line: Line, waiting, source, limit: int, is_list: bool) -> Iterator[Found]:
  """The members of a list that goes over many lines. What follows the list is given back."""
  problems = list(line.problems) if is_list else [*line.problems, error("list", line.number, 0)]
  bracket = line.text.index("[") + 1
  rest, text, start, state = line.text[bracket:], "", line.number, _State(1)
  while True:
    while rest:
      if not text:  # Between members: a comma, or the end of the list.
        rest = rest.lstrip(", \t\r\n")
        if rest[:1] == "]":
          waiting.appendleft(Line(line.number, b"", rest[1:], []))
          return
        start = line.number
      end = state.feed(rest, stop=1)
      text, rest = text + (rest if end < 0 else rest[:end]), "" if end < 0 else rest[end:]
      if end >= 0 or len(text) > limit:
        for row in _row(Line(start, b"", text, []), deque(), iter(()), limit, True):
          yield row._replace(raw=None, problems=[*problems, *row.problems])
          problems = []
        text = ""
    line = _next(waiting, source)
    if line is None:
      if text.strip() or state.depth != 1 or problems:
        broken = error(BROKEN, start, 0, why="the list does not end")
        yield Found(start, None, text, None, [*problems, broken])
      return
    problems += line.problems
    rest = line.text or ""
