"""XML element by element, without entities of its own (through defusedxml), so that an export of any
size is read in little memory."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import IO
from xml.etree.ElementTree import Element, tostring

from ftjax.config import InputError
from ftjax.data.record import Bad
from ftjax.data.sources._reading import PackedError, Reading
from ftjax.sizes import told

_CONTROL = bytes(b for b in range(32) if b not in b"\t\n\r")  # never allowed in XML 1.0


class _Source:
  """A file for the parser: without control characters, which many exports have, and bounded between
  two elements."""

  def __init__(self, f: IO[bytes], place: str, how: Reading):
    self.f, self.place, self.how, self.count, self.wide = f, place, how, 0, None

  def read(self, count: int = -1) -> bytes:
    data = self.f.read(count)
    if self.wide is None:
      self.wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")  # UTF-16 has zeros in it
    self.count += len(data)
    if self.count > self.how.max_line:
      raise InputError(
        f"{self.place}: an entry has more than {told(self.how.max_line)} (run.max_line); the file was left there."
      )
    clean = data if self.wide else data.translate(None, _CONTROL)
    return clean or (self.read(count) if data else b"")


def elements(
  f: IO[bytes], path: str, names: tuple[str, ...], bad: Bad, how: Reading
) -> Iterator[Element]:
  """Each element whose local name is in `names`, whole, when it ends; it is emptied afterwards. Tells
  `bad` where the file stops being XML, has entities of its own, or an entry is too large; what
  stands before is read."""
  from defusedxml.common import DefusedXmlException
  from defusedxml.ElementTree import ParseError, iterparse

  source, path_to, error = _Source(f, path, how), [], None
  try:
    for event, element in iterparse(source, events=("start", "end")):
      if event == "start":
        path_to.append(element)
        continue
      path_to.pop()
      inside = any(local(e) in names for e in path_to)
      if local(element) in names and not inside:
        source.count = 0
        yield element
      if not inside and path_to and local(element) in names:
        path_to[-1].remove(element)
  except PackedError as e:
    error = e
  except InputError as e:
    error = e
  except ParseError as e:
    line, column = e.position
    error = InputError(f"{path}:{line}: not valid XML at column {column + 1}: {e.msg}.")
  except DefusedXmlException as e:
    error = InputError(
      f"{path}: the file defines XML entities of its own ({type(e).__name__}), which can expand without end; it was left."
    )
  except (LookupError, ValueError) as e:
    error = InputError(f"{path}: not readable XML: {e}.")
  if error:
    bad(error)


def local(element: Element) -> str:
  """The name of an element without its namespace."""
  return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def child(element: Element, *names: str) -> Element | None:
  """The first child with the first of these local names that there is."""
  return next((c for name in names for c in element if local(c) == name), None)


def text(element: Element, *names: str) -> str:
  """The text of that child; "" for none."""
  found = child(element, *names)
  return "" if found is None else "".join(found.itertext()).strip()


def markup(element: Element) -> str:
  """The HTML that an element holds: escaped, as most write it, or as elements of its own."""
  if not len(element):
    return element.text or ""
  for inner in element.iter():
    inner.tag = local(inner)  # HTML's own names, without prefixes
  parts = (tostring(inner, encoding="unicode", method="html") for inner in element)
  return "".join([escape(element.text or ""), *parts])
