"""Where the checks of a row write what they find."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from ftjax.data.lint.problem import ERROR, INFO, WARNING, Problem


@dataclass
class Notes:
  """Problems of one row, at its line. mended: something in the row was changed. lost: an error that
  nothing mends was found, so that the row is left out of a mended file."""

  line: int
  text: str  # the line as it stands, to find columns in
  problems: list[Problem] = field(default_factory=list)
  mended: bool = False
  lost: str = ""
  _inside: tuple[str, str, int] = ("", "", 0)

  def inside(self, name: str = "", key: str = "", i: int = 0) -> None:
    """From here on it is about message i (from 1) of the list `name`; `key` is what its messages all
    have. Without arguments, about the whole row."""
    self._inside = (name, key, i)

  def error(self, code: str, message: str, fix: str, near: str = "", mends: bool = False) -> None:
    """near: the text or key that is wrong, by which the column is found."""
    self._add(code, ERROR, message, fix, near, mends)
    if not mends:
      self.lost = self.lost or code

  def not_text(self, what: str, value: Any, key: str) -> bool:
    """Notes a value that is no text, and whether it can be mended: a number can be written as one."""
    mends = isinstance(value, (int, float))
    fix = 'Write it in quotes: "...".' if mends else "Write the text itself."
    self.error("not-text", f"{what} is {shown(value)}, not text.", fix, key, mends)
    return mends

  def taken(self) -> bool:
    """Training takes the row as it stands: what was called an error is none. Whether the row stays
    as it is, as one of these would have been left out."""
    stays = bool(self.lost)
    self.problems = [
      replace(p, level=WARNING, mends=p.mends and not stays) if p.level == ERROR or stays else p
      for p in self.problems
    ]
    self.lost, self.mended = "", self.mended and not stays
    return stays

  @property
  def wrong(self) -> bool:
    """Whether an error was found."""
    return any(p.level == ERROR for p in self.problems)

  def warning(self, code: str, message: str, fix: str, near: str = "", mends: bool = False) -> None:
    self._add(code, WARNING, message, fix, near, mends)

  def info(self, code: str, message: str, fix: str) -> None:
    self._add(code, INFO, message, fix, "", False)

  def _add(self, code, level, message, fix, near, mends) -> None:
    self.mended = self.mended or mends
    at = self._find(near) if near else -1
    before = self.text[: max(0, at)]
    line = self.line + before.count("\n")
    column = at - before.rfind("\n") if at >= 0 else 0
    self.problems.append(Problem(code, level, line, column, message, fix, mends))

  def _find(self, near: str) -> int:
    """Where `near` stands as a string of JSON; -1 where it does not."""
    name, key, i = self._inside
    at = max(0, self.text.find(f'"{name}"')) if name else 0
    for _ in range(i):
      at = self.text.find(f'"{key}"', at + 1)
      if at < 0:
        return -1
    start = max(0, self.text.rfind("{", 0, at)) if i else at
    return self.text.find(json.dumps(near, ensure_ascii=False), start)


def shown(value: object) -> str:
  """A value, short enough for a message."""
  text = json.dumps(value, ensure_ascii=False, default=str)
  return text if len(text) <= 43 else text[:40] + "..."
