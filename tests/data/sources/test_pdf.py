"""PDF files that the tests make: text by page, hyphens joined, and what cannot be read told by its
page."""

import io

import pypdf
import pytest
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

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


def test_hyphens_at_line_ends():
  assert paragraphs(["a self-made well-", "Known and un-", "known 1990-", "1995 thing"]) == (
    "a self-made well- Known and unknown 1990- 1995 thing"
  )
  assert paragraphs(["1. one", "2. two", "", "three"]) == "1. one\n\n2. two\n\nthree"
