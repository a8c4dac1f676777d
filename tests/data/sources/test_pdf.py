"""PDF files that the tests make: text by page, hyphens joined, and what cannot be read told by its
page."""

import io

import pypdf
import pytest
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from ftjax.data.sources._hyphens import Words
from ftjax.data.sources.pdf import paragraphs, without_running_heads


def page_of(writer, lines, image=False):
  """A page of lines 14 points apart, or 28 where an empty one stands between."""
  page = writer.add_blank_page(width=595, height=842)
  font = DictionaryObject({
    NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1"),
    NameObject("/BaseFont"): NameObject("/Helvetica"),
  })  # fmt: skip
  resources = DictionaryObject({NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})})
  stream = DecodedStreamObject()
  shown = "".join(f"({line}) Tj 0 -14 Td " if line else "0 -14 Td " for line in lines)
  stream.set_data(f"BT /F1 11 Tf 72 770 Td {shown}ET".encode("latin-1"))
  if image:
    picture = DecodedStreamObject()
    picture.set_data(b"\x00")
    picture.update({
      NameObject("/Type"): NameObject("/XObject"), NameObject("/Subtype"): NameObject("/Image"),
    })  # fmt: skip
    resources[NameObject("/XObject")] = DictionaryObject({NameObject("/Im1"): picture})
    stream.set_data(b"q 500 0 0 700 0 0 cm /Im1 Do Q")
  page[NameObject("/Resources")] = resources
  page[NameObject("/Contents")] = writer._add_object(stream)


def pdf(pages, password="", **facts):
  writer = pypdf.PdfWriter()
  for lines in pages:
    page_of(writer, lines or [], image=lines is None)
  writer.add_metadata({f"/{k}": v for k, v in facts.items()})
  if password:
    writer.encrypt(password, algorithm="RC4-128")
  out = io.BytesIO()
  writer.write(out)
  return out.getvalue()


ONE = [
  "The keeper wrote down the weather every evening, and the obser-",
  "vations were sent to the town once a month by the mail boat, as",
  "the rules required.",
  "A second paragraph begins here, for the line above it was short.",
]


def test_pages_are_one_document_with_paragraphs(tmp_path, gather):
  path = tmp_path / "a.pdf"
  path.write_bytes(
    pdf([ONE, ["lower case goes on."]], Title="Log", Author="Mara", CreationDate="D:20230405")
  )
  rows, bad = gather("pdf", path)
  assert not bad
  assert rows == [{
    "text": "The keeper wrote down the weather every evening, and the observations were sent to the town once a month by the "
    "mail boat, as the rules required.\n\nA second paragraph begins here, for the line above it was short.\n\n"
    "lower case goes on.",
    "title": "Log", "author": "Mara", "date": "2023-04-05",
  }]  # fmt: skip


def test_space_between_lines_is_a_paragraph(tmp_path, gather):
  long = "A line as long as the others are, which ends in no full"
  path = tmp_path / "a.pdf"
  path.write_bytes(pdf([[long, "stop", long, "", long, "stop", "", "3. last"]]))
  rows, bad = gather("pdf", path)
  assert rows == [{"text": f"{long} stop {long}\n\n{long} stop\n\n3. last"}] and not bad


def test_a_page_of_an_image_is_told_and_the_others_are_taken(tmp_path, gather):
  path = tmp_path / "a.pdf"
  path.write_bytes(pdf([ONE, None, ["Last."]]))
  rows, bad = gather("pdf", path)
  assert len(rows) == 1 and rows[0]["text"].endswith("Last.")
  assert len(bad) == 1 and "a.pdf:2: this page is an image" in bad[0]


@pytest.mark.parametrize(
  ("raw", "match"),
  [
    (pdf([ONE], password="secret"), "the PDF is encrypted"),
    (pdf([[]]), "the file has no text"),
    (b"%PDF-1.4 broken", "not a readable PDF"),
    (b"", "not a readable PDF"),
    (pdf([ONE])[:400], "not a readable PDF"),
  ],
)
def test_a_file_that_gives_nothing_is_told(tmp_path, gather, raw, match):
  (tmp_path / "a.pdf").write_bytes(raw)
  rows, bad = gather("pdf", tmp_path / "a.pdf")
  assert not rows and len(bad) == 1 and "a.pdf: " in bad[0] and match in bad[0]


def test_a_file_that_is_locked_against_changes_alone_is_read(tmp_path, gather):
  writer = pypdf.PdfWriter()
  page_of(writer, ["Open."])
  writer.encrypt("", owner_password="owner", algorithm="RC4-128")
  writer.write(tmp_path / "a.pdf")
  assert gather("pdf", tmp_path / "a.pdf")[0] == [{"text": "Open."}]


def test_running_heads_and_page_numbers_go():
  pages = [["The Log", f"Words of page {n}.", f"Page {n} of 4"] for n in range(1, 5)]
  assert without_running_heads(pages) == [[f"Words of page {n}."] for n in range(1, 5)]
  chapters = [[f"Words {'abcdef'[n]}", f"Chapter {n // 3}: Storms {n}"] for n in range(6)]
  assert without_running_heads(chapters) == [[f"Words {'abcdef'[n]}"] for n in range(6)]
  assert without_running_heads([["A.", "x"], ["A.", "y"]]) == [["A.", "x"], ["A.", "y"]]


def together(*lines):
  return paragraphs(list(lines), Words(lines))


def test_hyphens_at_line_ends():
  assert together("a self-made well-", "Known and un-", "known 1990-", "1995 thing") == (
    "a self-made well- Known and unknown 1990- 1995 thing"
  )
  assert together("1. one", "2. two", "", "three") == "1. one\n\n2. two\n\nthree"


@pytest.mark.parametrize(
  ("lines", "wanted"),
  [
    (("the nur-", "sery"), "the nursery"), (("a well-", "known man"), "a well-known man"),
    (("not self-", "ish"), "not selfish"), (("the high-", "way"), "the highway"),
    (("a state-of-the-", "art thing"), "a state-of-the-art thing"), (("incom\u00ad", "plete"), "incomplete"),
    (("a post-war list", "of the post-", "war years"), "a post-war list of the post-war years"),
    (("a wellknown word", "is well-", "known"), "a wellknown word is wellknown"),
    (("a well\u2010", "known one"), "a well\u2010known one"), (("high-", "quality"), "high-quality"),
  ],
)  # fmt: skip
def test_a_compound_keeps_its_hyphen(lines, wanted):
  assert together(*lines) == wanted


LEFT = [
  "The birch was brought to the nur-", "sery in a cart, and nobody had", "a word for its colour. A well-",
  "known painter of the town came", "and said it was white, which was", "not so much wrong as incom-",
  "plete, and in the rain it was grey.",
]  # fmt: skip
RIGHT = [
  "Later the gardeners found that", "its bark could be peeled like pa-", "per, and they wrote the names of",
  "their plants on it. The old", "lists are lost, but one of them", "was kept in the kitchen, where it",
  "hung beside the clock.",
]  # fmt: skip
TOLD = (
  "The birch was brought to the nursery in a cart, and nobody had a word for its colour. A well-known painter of the "
  "town came and said it was white, which was not so much wrong as incomplete, and in the rain it was grey. "
  "Later the gardeners found that its bark could be peeled like paper, and they wrote the names of their plants on it. "
  "The old lists are lost, but one of them was kept in the kitchen, where it hung beside the clock."
)


def drawn(pieces):
  """A file of one page with pieces (x, y, text), in this order."""
  writer = pypdf.PdfWriter()
  page_of(writer, [])
  stream = DecodedStreamObject()
  text = "".join(f"1 0 0 1 {x} {y} Tm ({t}) Tj " for x, y, t in pieces)
  stream.set_data(f"BT /F1 10 Tf {text}ET".encode("latin-1"))
  writer.pages[0][NameObject("/Contents")] = writer._add_object(stream)
  out = io.BytesIO()
  writer.write(out)
  return out.getvalue()


def cells(*columns, xs=(60, 320), top=700):
  return [
    (x, top - 14 * i, t)
    for i, row in enumerate(zip(*columns, strict=True))
    for x, t in zip(xs, row, strict=True)
  ]


def test_columns_that_are_drawn_row_by_row_are_read_one_after_the_other(tmp_path, gather):
  (tmp_path / "a.pdf").write_bytes(drawn(cells(LEFT, RIGHT)))
  assert gather("pdf", tmp_path / "a.pdf") == ([{"text": TOLD}], [])
  head = [(60, 730, "A heading that goes over both of the columns and says what they are about")]
  (tmp_path / "a.pdf").write_bytes(drawn(head + cells(LEFT, RIGHT)))
  (row,), bad = gather("pdf", tmp_path / "a.pdf")
  assert row["text"].split("\n\n")[0] == head[0][2] and not bad
  assert row["text"].split() == f"{head[0][2]} {TOLD}".split()
  (tmp_path / "a.pdf").write_bytes(drawn(cells(LEFT, xs=(60,)) + cells(RIGHT, xs=(320,))))
  assert gather("pdf", tmp_path / "a.pdf") == ([{"text": TOLD}], [])


def test_a_table_keeps_its_rows(tmp_path, gather):
  table = cells(
    ["Birch", "Rose", "Fescue", "Iris", "Thyme", "Sage"],
    ["120 cm", "80 cm", "20 cm", "60 cm", "9 cm", "40 cm"],
  )
  (tmp_path / "a.pdf").write_bytes(drawn(table))
  (row,), bad = gather("pdf", tmp_path / "a.pdf")
  assert "Birch 120 cm" in row["text"] and "Sage 40 cm" in row["text"] and not bad


def test_columns_that_cannot_be_told_apart_are_told_by_their_page(tmp_path, gather, monkeypatch):
  text = "\n".join(
    " " * (4 * i) + f"{a}    {b}" for i, (a, b) in enumerate(zip(LEFT * 2, RIGHT * 2, strict=True))
  )
  extract = pypdf.PageObject.extract_text
  layout = lambda page, *a, **k: text if k.get("extraction_mode") else extract(page, *a, **k)
  monkeypatch.setattr(pypdf.PageObject, "extract_text", layout)
  (tmp_path / "a.pdf").write_bytes(drawn(cells(LEFT, RIGHT)))
  rows, bad = gather("pdf", tmp_path / "a.pdf")
  assert not rows and len(bad) == 1
  assert "a.pdf:1: this page's columns are drawn row by row, and cannot be told apart" in bad[0]
