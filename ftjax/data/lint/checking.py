"""A whole file of rows: checked, and mended into another."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Iterator
from typing import IO, Any

from ftjax.config import InputError
from ftjax.data.lines import line as json_line
from ftjax.data.lint import private, rows
from ftjax.data.lint.decoding import error
from ftjax.data.lint.notes import Notes
from ftjax.data.lint.problem import PRIVATE_ROWS, Findings
from ftjax.data.lint.reading import Found, found
from ftjax.data.lint.shape import shape
from ftjax.data.record import Record
from ftjax.storage import atomic_path

_KINDS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "csv"}
_PACKED = (".gz", ".zst", ".bz2", ".xz")
_SAMPLE = 200  # Rows whose most frequent format is taken for the file's.
_AGAIN = 4  # Times that a mended row is looked at once more: one fix can show another problem.


def check(
  path: str, fix: str | None = None, *, max_line: int = 50_000_000, max_words: int = 20_000
) -> Findings:
  """Checks a file of rows: JSON lines, a JSON list, CSV, TSV (also compressed), whatever its state.

  fix: where to write a mended copy, as JSON lines. It takes every row that has no error left, with
  those in which nothing is wrong as they stand, byte for byte; checking it finds no error and
  nothing that could be mended. path itself is never touched. max_line: bytes; a longer line is
  refused, and never held in memory. max_words: of a row, above which it is called very long.

  Memory grows with the number of rows, by some hundred bytes each, for duplicates. Raises InputError
  where `path` cannot be opened, is no such file or holds no rows, and where `fix` is `path`.
  """
  if fix and os.path.exists(fix) and os.path.samefile(path, fix):
    raise InputError(f"--fix={fix} is the file itself, which is never changed. Name another file.")
  checker = _Checker(Findings(path), max_words)
  with _output(fix) as out:
    source = _found(path, max_line)
    first = list(itertools.islice(source, _SAMPLE))
    if not first:
      raise InputError(f"{path} holds no rows. Is it the file that was meant?")
    kinds = Counter(shape(f.value) for f in first if isinstance(f.value, dict))
    del kinds[""]
    checker.expected = kinds.most_common(1)[0][0] if kinds else ""
    for row in itertools.chain(first, source):
      checker.row(row, out)
  checker.findings.fixed = str(fix or "")
  return checker.findings


class _Checker:
  def __init__(self, findings: Findings, max_words: int):
    self.findings, self.max_words, self.expected = findings, max_words, ""
    self.seen: dict[bytes, int] = {}  # a row's hash -> its line
    self.answers: dict[bytes, bytes | None] = {}  # a prompt's hash -> its answer's; None = told
    self.private = private.counter()

  def row(self, found: Found, out: IO[bytes] | None) -> None:
    """Adds what is wrong with a row to the findings, and writes it where there is a file for it."""
    for problem in found.problems:
      self.findings.add(problem)
    lost = next((p.code for p in found.problems if not p.mends), "")
    if found.value is None and lost:
      self.findings.left_out.append((found.line, lost))
      return
    self.findings.rows += 1
    notes = Notes(found.line, found.text)
    refused = rows.refusal(found.value, self.expected)
    value = rows.check(found.value, self.expected, notes)
    if not refused and notes.taken():
      value = found.value
    for _ in range(_AGAIN):  # Only what the first look at the row as it stands finds is told.
      again = Notes(found.line, "")
      if notes.lost or not notes.mended:
        break
      value = rows.check(value, self.expected, again)
      notes.lost = again.lost
      if not again.mended:
        break
    left = "" if notes.lost else rows.refusal(value, self.expected)
    if left or (refused and not notes.wrong):
      notes.error("refused", left or refused, "Mend the row, or remove it.", mends=not left)
    repeated = not notes.lost and self._compare(value, notes)
    for problem in notes.problems:
      self.findings.add(problem)
    if notes.lost or repeated:
      self.findings.left_out.append((found.line, notes.lost or "duplicate"))
    elif out:
      self._write(value, found, notes, out)

  def _write(self, value: Any, found: Found, notes: Notes, out: IO[bytes]) -> None:
    as_it_stands = found.raw is not None and not notes.mended
    raw = found.raw if as_it_stands else json_line(value)
    out.write(raw if raw.endswith(b"\n") else raw + b"\n")
    self.findings.written += 1
    self.findings.changed += notes.mended or bool(found.problems)

  def _compare(self, value: dict[str, Any], notes: Notes) -> bool:
    """Looks at what a row says, and at the rows before it; whether it repeats one of them."""
    prompt, answer, every = rows.said(value)
    if self.findings.rows <= PRIVATE_ROWS:
      for text in (prompt, answer):  # apart, as a preparation looks at them
        self.private(text, self.findings.private)
    words = len(prompt.split()) + len(answer.split())
    if words > self.max_words:
      notes.warning(
        "very-long",
        f"{words:,} words.",
        "Few models take so much at once: split it, or leave it out.",
      )
    if prompt.strip() and prompt.strip() == answer.strip():
      notes.warning(
        "prompt-is-answer",
        "The answer is the prompt once more.",
        "Write an answer, or remove the row.",
      )
    ours, theirs, whole = _hash(prompt), _hash(answer), _hash(every)
    if line := self.seen.get(whole):
      notes.warning("duplicate", f"The same as line {line}.", "Remove one of the two.", mends=True)
      return True
    self.seen[whole] = notes.line
    if prompt:
      before = self.answers.setdefault(ours, theirs)
      if before is not None and before != theirs:
        self.answers[ours] = None
        notes.info(
          "several-answers",
          "This prompt has come before, with another answer.",
          "Fine where it is meant.",
        )
    return False


def _hash(text: str) -> bytes:
  return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _found(path: str, limit: int) -> Iterator[Found]:
  if (kind := _kind(path)) != "csv":
    try:
      yield from found(path, limit, is_list=kind == "json")
    except FileNotFoundError as e:
      raise InputError(f"No file at {path!r}. Check the path.") from e
  else:
    yield from _table(path)


def _table(path: str) -> Iterator[Found]:
  """The rows of a table, and each line of it that cannot be read, in order."""
  from ftjax.data.sources import csv

  bad: list[InputError] = []
  try:
    for record in csv.records(path, bad.append):
      yield from map(_unread, bad)
      bad.clear()
      yield _of_table(record)
  except FileNotFoundError as e:
    raise InputError(f"No file at {path!r}. Check the path.") from e
  yield from map(_unread, bad)


def _unread(told: InputError) -> Found:
  """A line of a table as a finding, of the message that reading it gave: "FILE:LINE: what it is"."""
  place, _, what = str(told).partition(": ")
  number = place.rpartition(":")[2]
  line = int(number) if number.isdigit() else 1
  return Found(line, None, "", None, [error("broken-table", line, -1, why=what)])


def _kind(path: str) -> str:
  bare = str(path).lower()
  for packed in _PACKED:
    bare = bare.removesuffix(packed)
  suffix = os.path.splitext(bare)[1]
  if suffix not in _KINDS:
    raise InputError(f"{path!r}: --validate reads {', '.join(_KINDS)}, not {suffix or 'this'}.")
  return _KINDS[suffix]


def _of_table(record: Record) -> Found:
  """A row of a table. Empty cells are fields that the row does not have, but for a prompt's."""
  line = int(record.place.rpartition(":")[2])
  fields = {k: v for k, v in record.fields.items() if v or k in ("prompt", "instruction")}
  return Found(line, None, "", fields, [])


@contextlib.contextmanager
def _output(fix: str | None) -> Iterator[IO[bytes] | None]:
  if not fix:
    yield None
    return
  with atomic_path(fix) as temporary, open(temporary, "wb") as f:
    yield f
