"""What is wrong with a file of rows: problems with their places, counted and put into words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

ERROR, WARNING, INFO = "error", "warning", "info"
PRIVATE_ROWS = (
  5000  # Rows that are searched for personal data, which takes longer than all the rest.
)
_KEPT = 1000  # Problems of one kind that are kept with their places; the rest is only counted.
_SPANS = 200  # places of rows left out that are printed
_SHOWN = 5  # of a kind are printed with their words, and places of each


@dataclass(frozen=True, slots=True)
class Problem:
  """One thing at one place. code: its kind, as in "unknown-role". level: error (the row cannot be
  trained on), warning or info. line and column: from 1; column 0 = the whole line. fix: what to do
  about it. mends: `--fix` does it (and where it does not, an error's row is left out)."""

  code: str
  level: str
  line: int
  column: int
  message: str
  fix: str
  mends: bool = False

  @property
  def place(self) -> str:
    """ "12:5", or "12" for the whole line."""
    return f"{self.line}:{self.column}" if self.column else f"{self.line}"

  def __str__(self) -> str:
    return f"{self.place}  {self.message} {self.fix}"


@dataclass
class Findings:
  """The problems of a file. Iterates over those that are kept with their places."""

  path: str
  rows: int = 0  # that could be read
  counts: Counter[tuple[str, str]] = field(default_factory=Counter)  # (level, code) -> problems
  mendable: int = 0  # errors and warnings that --fix mends
  private: Counter[str] = field(default_factory=Counter)  # kinds of personal data and secrets
  fixed: str = ""  # the mended file, where one was written
  written: int = 0
  changed: int = 0  # rows that were written otherwise than they stood
  left_out: list[tuple[int, str]] = field(default_factory=list)  # (line, code)
  _kept: dict[str, list[Problem]] = field(default_factory=lambda: defaultdict(list))

  def add(self, problem: Problem) -> None:
    self.counts[problem.level, problem.code] += 1
    self.mendable += problem.mends and problem.level != INFO
    if len(self._kept[problem.code]) < _KEPT:
      self._kept[problem.code].append(problem)

  def __iter__(self) -> Iterator[Problem]:
    yield from sorted(
      (p for ps in self._kept.values() for p in ps), key=lambda p: (p.line, p.column)
    )

  def __len__(self) -> int:
    return self.counts.total()

  def of(self, level: str) -> int:
    """How many problems have this level."""
    return sum(n for (have, _), n in self.counts.items() if have == level)

  @property
  def status(self) -> int:
    """The exit status for the shell: 2 where errors remain (in the mended file none do) or no row
    was left to write, else 0."""
    return 2 if self.of(ERROR) and not self.written else 0

  def lines(self) -> list[str]:
    """All of it for people, kinds of problems together, errors first."""
    many = lambda n, what: f"{n:,} {what}{'' if n == 1 else 's'}"
    out = [
      f"{self.path}: {many(self.rows, 'row')} read; {many(self.of(ERROR), 'error')}, "
      f"{many(self.of(WARNING), 'warning')}"
    ]
    order = {ERROR: 0, WARNING: 1, INFO: 2}
    for (level, code), n in sorted(
      self.counts.items(), key=lambda item: (order[item[0][0]], -item[1], item[0])
    ):
      shown = [p for p in self._kept[code] if p.level == level]
      out += ["", f"{level}  {code} ({n:,}){_mends(shown)}", *_grouped(shown, n)]
    if self.private:
      told = ", ".join(f"{kind} {n:,}" for kind, n in self.private.most_common())
      where = f", in the first {PRIVATE_ROWS:,} rows" if self.rows > PRIVATE_ROWS else ""
      out += ["", f"info  personal data and secrets{where}, as far as patterns find them: {told}"]
      out.append(
        "  To mask or drop them, prepare the file: config.sources, config.pii, config.secrets."
      )
    return out + self._fixing()

  def _fixing(self) -> list[str]:
    if not self.fixed:
      if self.mendable:
        return [
          "",
          f"--fix=OUT.jsonl mends {self.mendable:,} of these; {self.path} stays as it is.",
        ]
      return []
    out = ["", f"{self.fixed}: {self.written:,} rows written, {self.changed:,} of them mended."]
    if self.left_out:
      by_code: dict[str, list[int]] = defaultdict(list)
      for line, code in self.left_out:
        by_code[code].append(line)
      out.append(f"Left out {len(self.left_out):,} row{'s'[: len(self.left_out) != 1]}:")
      for code, lines in by_code.items():
        spans = _spans(lines)
        more = f" and {len(spans) - _SPANS:,} more places" if len(spans) > _SPANS else ""
        noun = "line" if len(lines) == 1 else f"{len(lines):,} lines:"
        out.append(f"  {code}: {noun} {', '.join(spans[:_SPANS])}{more}")
    return out


def _spans(lines: list[int]) -> list[str]:
  """Lines with those that follow each other together: "3", "7-30"."""
  begins = [i for i, n in enumerate(lines) if not i or n != lines[i - 1] + 1]
  ends = [*(i - 1 for i in begins[1:]), len(lines) - 1]
  return [
    f"{lines[a]}" if a == b else f"{lines[a]}-{lines[b]}" for a, b in zip(begins, ends, strict=True)
  ]


def _grouped(problems: list[Problem], total: int) -> list[str]:
  """Problems of one kind, those with the same words together. total: with those not kept."""
  groups: dict[str, list[str]] = defaultdict(list)
  for p in problems:
    groups[f"{p.message} {p.fix}"].append(p.place)
  out = []
  for words, places in list(groups.items())[:_SHOWN]:
    total -= len(places[:_SHOWN])
    out += [f"  {', '.join(places[:_SHOWN])}  {words}"]
  if total > 0:
    out.append(f"  and {total:,} more")
  return out


def _mends(problems: list[Problem]) -> str:
  if not problems or problems[0].level == INFO:
    return ""
  if all(p.mends for p in problems):
    return ": --fix mends it"
  return ": --fix mends some of them" if any(p.mends for p in problems) else ""
