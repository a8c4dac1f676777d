"""PDF files, through pypdf: the text of all pages, with lines joined to paragraphs."""

from __future__ import annotations

import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ftjax.config import InputError
from ftjax.data.record import Bad, Record, raise_error
from ftjax.data.sources._columns import NotApart, Pieces, in_order
from ftjax.data.sources._hyphens import Words
from ftjax.data.sources._markup import iso_date
from ftjax.data.sources._reading import DEFAULT, Reading, read_document
from ftjax.data.sources.html import _quiet

if TYPE_CHECKING:
  from pypdf import PageObject, PdfReader

_SHORT = 0.8  # of the usual line's length: a shorter line that ends a sentence ends a paragraph
_GAP = 1.35  # times the usual distance of lines, from which on a paragraph begins
_BULLET = re.compile(r"\s*(?:[-–•*▪◦]|\d{1,3}[.)]|\([a-z0-9]\))\s+\S")


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """One record {"text", "title", "author", "date"} a file. Tells `bad` of a file that is broken or
  encrypted, and of each page that cannot be read or is an image of text; the other pages are
  taken."""
  raw = read_document(path, bad, how)
  if raw is None:
    return
  with _quiet("pypdf"):
    found = _read(raw, path)
  if isinstance(found, InputError):
    bad(found)
    return
  pages, facts, faults = found
  for fault in faults:
    bad(fault)
  pages = without_running_heads(pages)
  words = Words(line for page in pages for line in page)
  text = "\n\n".join(filter(None, (paragraphs(page, words) for page in pages)))
  text = _across_pages(text, words)
  if text:
    yield Record({"text": text} | facts, path)
  elif not faults:
    bad(InputError(f"{path}: the file has no text."))


def _read(raw: bytes, path: str):
  """(lines of each page, facts, faults of pages), or the error that the file is."""
  import pypdf

  try:
    reader = pypdf.PdfReader(io.BytesIO(raw))
    if reader.is_encrypted and not reader.decrypt(""):
      return InputError(f"{path}: the PDF is encrypted with a password. Save it without one.")
    count = len(reader.pages)
    facts = _facts(reader)
  except Exception as e:  # Broken files make parsers fail in many ways of their own.
    return InputError(f"{path}: not a readable PDF ({type(e).__name__}: {e}).")
  pages, faults = [], []
  for number in range(count):
    place = f"{path}:{number + 1}"
    try:
      page = reader.pages[number]
      lines = _in_columns(page)
      drawn = not any(lines) and _has_image(page)
    except NotApart:
      faults.append(
        InputError(f"{place}: this page's columns are drawn row by row, and cannot be told apart.")
      )
      continue
    except Exception as e:
      faults.append(InputError(f"{place}: this page cannot be read ({type(e).__name__}: {e})."))
      continue
    if drawn:
      faults.append(
        InputError(f"{place}: this page is an image, without text. Run OCR over the file first.")
      )
    pages.append(lines)
  return pages, facts, faults


def _in_columns(page: PageObject) -> list[str]:
  """A page's lines, column by column where they are drawn row by row."""
  pieces = Pieces()
  lines = _lines(page, pieces)
  return (in_order(page) if pieces.interleaved else None) or lines


def _lines(page: PageObject, pieces: Pieces) -> list[str]:
  """A page's lines, in the order of the file, with an empty one where the space above a line is
  clearly larger than usual."""
  lines: list[str] = [""]
  heights: list[float | None] = [None]

  def visit(text: str, cm, tm, font, font_size) -> None:
    del font, font_size
    for number, piece in enumerate(text.split("\n")):
      if number:
        lines.append("")
        heights.append(None)
      lines[-1] += piece
      if piece.strip() and heights[-1] is None:
        heights[-1] = tm[5] * cm[3] + cm[5]

  page.extract_text(visitor_text=visit, visitor_operand_before=pieces)
  kept = [(line.strip(), y) for line, y in zip(lines, heights, strict=True) if line.strip()]
  gaps = [a[1] - b[1] for a, b in itertools.pairwise(kept)]
  down = sorted(gap for gap in gaps if gap > 0)
  usual = down[len(down) // 2] if down else 0.0
  out = []
  for (line, _), gap in zip(kept, [0.0, *gaps], strict=False):
    out += ["", line] if gap > _GAP * usual > 0 else [line]
  return out


def _facts(reader: PdfReader) -> dict[str, str]:
  info = reader.metadata or {}
  facts = {
    "title": str(info.get("/Title") or "").strip(),
    "author": str(info.get("/Author") or "").strip(),
    "date": iso_date(info.get("/CreationDate")),
  }
  return {name: value for name, value in facts.items() if value}


def _has_image(page: PageObject) -> bool:
  resources = page.get("/Resources")
  objects = resources.get_object().get("/XObject") if resources else None
  drawn = objects.get_object().values() if objects else ()
  return any(o.get_object().get("/Subtype") in ("/Image", "/Form") for o in drawn)


def without_running_heads(pages: list[list[str]]) -> list[list[str]]:
  """Pages without their first or last line where most pages share it, or three but for the number in
  it: running heads and page numbers."""
  pages = [[line for line in page] for page in pages]
  for page in pages:
    while page and not page[0].strip():
      page.pop(0)
    while page and not page[-1].strip():
      page.pop()
  for end in (0, -1):
    shape = lambda line: re.sub(r"\d+", "0", " ".join(line.split()))
    shapes = Counter(shape(page[end]) for page in pages if page)
    common = {s for s, n in shapes.items() if n >= 3 and (n > len(pages) / 2 or "0" in s)}
    for page in pages:
      if page and shape(page[end]) in common:
        page.pop(end)
  return pages


def paragraphs(lines: list[str], words: Words) -> str:
  """A page's lines as paragraphs. words: of the whole file. A paragraph ends at an empty line, before a bullet, and at a
  sentence's end in a line shorter than usual; a word divided by a hyphen at a line's end is made
  whole."""
  lengths = sorted(len(line) for line in lines if line.strip())
  usual = lengths[len(lengths) * 3 // 4] if lengths else 0
  out, current = [], ""
  for line in lines:
    text = " ".join(line.split())
    if not text or _BULLET.match(text):
      out, current = [*out, current], ""
    current = _joined(current, text, words)
    if re.search(r"[.!?:][\"'”’)]?$", text) and len(line) < _SHORT * usual:
      out, current = [*out, current], ""
  return "\n\n".join(filter(None, [*out, current]))


def _joined(before: str, after: str, words: Words) -> str:
  if not before or not after:
    return before + after
  if words.divided(before, after):
    return words.whole(before, after)
  return f"{before} {after}"


def _across_pages(text: str, words: Words) -> str:
  """A sentence that a page break cut in two is one paragraph."""
  out: list[str] = []
  for paragraph in text.split("\n\n"):
    if out and words.divided(out[-1], paragraph):
      out[-1] = words.whole(out[-1], paragraph)
    elif out and re.search(r"[\w,;]$", out[-1]) and re.match("[a-zà-ÿ]", paragraph):
      out[-1] += f" {paragraph}"
    else:
      out.append(paragraph)
  return "\n\n".join(out)
