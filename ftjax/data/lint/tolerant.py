"""JSON as people and programs get it wrong, read for what it means.

It reads what RFC 8259 allows and, noting each: trailing and missing commas, single and typographic
quotes, quotes and line breaks inside strings that are not escaped, escapes that do not exist, keys
without quotes, Python's True, False and None, NaN and infinities, comments, several values in a row.
A text that leaves more than one reading is refused rather than guessed at.
"""

from __future__ import annotations

import json
import re
from json.decoder import scanstring
from typing import Any, NamedTuple

_SPACE = re.compile(r"[\s\ufeff]*")
_COMMENT = re.compile(r"//[^\n]*|#[^\n]*|/\*.*?\*/", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_$][\w$-]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])")
_INFINITE = re.compile(r"[+-]?(?:NaN|nan|Infinity|inf)\b")
_LITERALS = {"true": True, "false": False, "null": None}
_PYTHON = {"True": True, "False": False, "None": None, "undefined": None}
_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "\u201d": "\u201d", "\u2018": "\u2019"}
# What may follow the quote that ends a string; any other quote belongs to the text.
_AFTER = re.compile(r"\s*(?:[:}\]]|,\s*(?:[\"'{\[}\]\d\u201c-]|$)|$)")
_BAD_ESCAPE = re.compile(r'\\(?!["\\/bfnrt]|u[0-9a-fA-F]{4})')


class Note(NamedTuple):
  """code: what was wrong. at: where in the text, from 0."""

  code: str
  at: int


class Broken(ValueError):
  """A text that cannot be read. at: where, from 0."""

  def __init__(self, what: str, at: int):
    super().__init__(what)
    self.what, self.at = what, at


def parse(text: str) -> tuple[list[Any], list[Note]]:
  """(the values in a text, what was wrong with it). Raises Broken."""
  reader = _Reader(text)
  try:
    return reader.values(), reader.notes
  except RecursionError as e:
    raise Broken("brackets are nested too deep", 0) from e


class _Reader:
  def __init__(self, text: str):
    self.text, self.at = text, 0
    self.notes: list[Note] = []

  def note(self, code: str, at: int | None = None) -> None:
    self.notes.append(Note(code, self.at if at is None else at))

  def values(self) -> list[Any]:
    out: list[Any] = []
    while self.skip():
      if self.text[self.at] == "," and out:
        self.note("trailing-comma")
        self.at += 1
        continue
      if out:
        self.note("several-rows")
      if self.text[self.at] not in "{[":
        raise Broken("no object begins here", self.at)
      out.append(self.value())
    return out

  def skip(self) -> str:
    """Passes over space and comments; the next character, or "" at the end."""
    while True:
      self.at = _SPACE.match(self.text, self.at).end()
      found = _COMMENT.match(self.text, self.at)
      if not found:
        return self.text[self.at : self.at + 1]
      self.note("comment")
      self.at = found.end()

  def value(self) -> Any:
    c = self.skip()
    if c == "{":
      return self.inside("}", dict)
    if c == "[":
      return self.inside("]", list)
    if c in _QUOTES and c:
      return self.string(c)
    if found := _INFINITE.match(self.text, self.at):
      self.note("nan")
      self.at = found.end()
      return None
    if found := _NUMBER.match(self.text, self.at):
      try:
        number = json.loads(found[0])
      except ValueError as e:  # Python reads no more than 4,300 digits.
        raise Broken("this number has too many digits", self.at) from e
      self.at = found.end()
      return number
    found = _WORD.match(self.text, self.at)
    if found and found[0] in _LITERALS | _PYTHON:
      if found[0] in _PYTHON:
        self.note("python-value")
      self.at = found.end()
      return (_LITERALS | _PYTHON)[found[0]]
    raise Broken("the text ends here" if not c else "no value begins here", self.at)

  def inside(self, end: str, kind: type) -> Any:
    """The members of an object or a list, after its first bracket."""
    out: Any = kind()
    self.at += 1
    while True:
      c = self.skip()
      if c == end:
        self.at += 1
        return out
      if kind is dict:
        key = self.key(c)
        if self.skip() != ":":
          raise Broken("a colon is missing after the key", self.at)
        self.at += 1
        out[key] = self.value()
      else:
        out.append(self.value())
      before = self.at
      c = self.skip()
      if c == ",":
        self.at += 1
        if self.skip() == end:
          self.note("trailing-comma", before)
      elif c and c in '"{[' and c != end:
        self.note("missing-comma", before)
      elif c != end:
        what = "the text ends here" if not c else f"a comma or {end} is missing"
        raise Broken(what, self.at)

  def key(self, c: str) -> str:
    if c and c in _QUOTES:
      return self.string(c)
    found = _WORD.match(self.text, self.at)
    if not found:
      raise Broken("the text ends here" if not c else "no key begins here", self.at)
    self.note("unquoted-key")
    self.at = found.end()
    return found[0]

  def string(self, quote: str) -> str:
    start = self.at
    if quote == '"':
      try:
        value, end = scanstring(self.text, start + 1, True)
        if _AFTER.match(self.text, end):
          self.at = end
          return value
      except ValueError:
        pass
    else:
      self.note("single-quotes" if quote == "'" else "curly-quotes")
    end = self.closing(_QUOTES[quote], start)
    raw = self.text[start + 1 : end]
    self.at = end + 1
    if any(ord(c) < 0x20 for c in raw):
      self.note("line-break", start)
    if quote == "'":
      raw = raw.replace("\\'", "'")
    if _BAD_ESCAPE.search(raw):
      self.note("bad-escape", start)
      raw = _BAD_ESCAPE.sub(r"\\\\", raw)
    bare = re.sub(r'(?<!\\)((?:\\\\)*)"', r'\1\\"', raw)
    if bare != raw and quote == '"':
      self.note("unescaped-quote", start)
    try:
      return json.loads(f'"{bare}"', strict=False)
    except ValueError as e:
      raise Broken("this string cannot be read", start) from e

  def closing(self, quote: str, start: int) -> int:
    """Where the string that begins at `start` ends."""
    at = start + 1
    while (at := self.text.find(quote, at)) >= 0:
      slashes = 0
      while self.text[at - slashes - 1] == "\\":
        slashes += 1
      if slashes % 2 == 0 and _AFTER.match(self.text, at + 1):
        return at
      at += 1
    raise Broken("the text ends inside the string that begins here", start)
