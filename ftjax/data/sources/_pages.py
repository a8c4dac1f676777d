"""HTML pages before the article is looked for: cut off ones are found, tables made what they are for."""

from __future__ import annotations

import re

from ftjax.data.sources._markup import TAG

# What is no markup inside, and how it ends.
_RAW = re.compile(r"<!--|<!\[CDATA\[|<(?:script|style|textarea|template|noscript|svg)\b", re.I)
_ENDS = {"<!--": re.compile("-->"), "<![cdata[": re.compile(r"\]\]>")}
# Elements whose end a page must say (HTML Standard, "optional tags"), of those that hold text.
_CLOSED = {
  "article", "aside", "b", "blockquote", "code", "div", "em", "figure", "footer", "form", "h1", "h2", "h3", "h4",
  "h5", "h6", "header", "i", "main", "nav", "ol", "pre", "script", "section", "span", "strong", "style", "table", "ul",
}  # fmt: skip
_BEGUN = re.compile(r"<(?:html|body)\b", re.I)
_ENDED = re.compile(r"</(?:html|body)\s*>", re.I)


def cut_off(page: str) -> str:
  """Where a page was cut off, in words; "" for a page that is whole. Such a page ends inside a tag, a
  comment or a script, or has neither </body> nor the ends of elements that must be closed."""
  parts, at = [], 0
  while found := _RAW.search(page, at):
    mark = found[0].lower()
    end = _ENDS.get(mark) or re.compile(rf"</{mark[1:]}\s*>", re.I)
    closed = end.search(page, found.end())
    if not closed:
      return f"inside {found[0]!r}"
    parts.append(page[at : found.start()])
    at = closed.end()
  page = "".join([*parts, page[at:]])
  last = None
  depth: dict[str, int] = {}
  for last in TAG.finditer(page):
    name = re.match(r"</?([a-zA-Z][a-zA-Z0-9]*)", last[0])[1].lower()
    if name in _CLOSED and not last[0].endswith("/"):
      closing = last[0].startswith("</")
      depth[name] = max(0, depth.get(name, 0) - 1) if closing else depth.get(name, 0) + 1
  if last and ">" not in page[last.start() :]:
    return f"inside the tag {last[0][:40]!r}"
  if _ENDED.search(page):
    return ""
  still = sorted(name for name, count in depth.items() if count)
  after = page[last.end() :].strip("> \n") if last else ""
  if not still and _BEGUN.search(page) and after[-1:].isalnum():  # a text that ends in the middle
    still = ["body"]
  return f"inside {', '.join(f'<{name}>' for name in still[:3])}" if still else ""


_CELLS = {"td", "th"}
_TABLE = {"thead", "tbody", "tfoot", "tr", "td", "colgroup", "col"}
_BLOCKS = {"p", "div", "blockquote", "section", "article", "ul", "ol"}
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_WORDS = 40  # of a cell of several paragraphs, from which on its table is there for the layout
_ASIDE = re.compile(
  r"(?:^|[\s_-])(?:nav|navbar|navigation|menu|sidebar|breadcrumbs?|footer|banner)(?:$|[\s_-])", re.I
)


def mend_tables(tree) -> None:
  """Makes tables of a page what they are for. One that lays out the page becomes its content, without the
  cells that are navigation; in one that holds data, lists in cells become text, which a Markdown table can
  say."""
  for table in list(tree.iter("table")):
    if _lays_out(table):
      _unfold(table)
  for found in [e for e in tree.iter("ul", "ol", "dl") if _in_cell(e)]:
    if found.getparent() is not None and not _in_list(found):
      _as_text(found)


def _own(table, names: set[str]) -> list:
  """The table's parts of these names, but for those of tables inside it."""
  return [e for e in table.iter(*names) if next(e.iterancestors("table"), None) is table]


def _words(element) -> int:
  return len("".join(element.itertext()).split())


def _lays_out(table) -> bool:
  if table.get("role") in ("presentation", "none"):
    return True
  if _own(table, {"th", "caption"}):
    return False
  for cell in _own(table, {"td"}):
    inside = {e.tag for e in cell.iterdescendants() if isinstance(e.tag, str)}
    if inside & (_HEADINGS | {"table"}):
      return True
    if sum(e.tag in _BLOCKS for e in cell) > 1 and _words(cell) > _WORDS:
      return True
  return False


def _unfold(table) -> None:
  cells = _own(table, _CELLS)
  longest = max(cells, key=_words, default=None)
  parts = _own(table, _TABLE)
  for cell in cells:
    linked = sum(map(_words, cell.iter("a")))
    named = _ASIDE.search(f"{cell.get('class', '')} {cell.get('id', '')} {cell.get('role', '')}")
    if cell is not longest and (named or linked * 2 > _words(cell)):
      cell.drop_tree()
  for part in (table, *parts):
    part.tag = "div"


def _in_cell(element) -> bool:
  return next((e.tag in _CELLS for e in element.iterancestors(*_CELLS, "table")), False)


def _in_list(element) -> bool:
  return next(
    (e.tag not in _CELLS for e in element.iterancestors("ul", "ol", "dl", *_CELLS)), False
  )


def _as_text(found) -> None:
  """A list, with those inside it, as its items between semicolons."""
  items = [" ".join(_bare(item).split()) for item in found.iter("li", "dt", "dd")]
  tail = found.tail
  for child in list(found):
    found.remove(child)
  found.tag, found.text, found.tail = "span", f" {'; '.join(filter(None, items))} ", tail


def _bare(item) -> str:
  """An item's text without that of the lists in it."""
  out = [item.text or ""]
  for child in item:
    if child.tag not in ("ul", "ol", "dl"):
      out.append("".join(child.itertext()))
    out.append(child.tail or "")
  return " ".join(out)
