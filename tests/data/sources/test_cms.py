"""WordPress exports and feeds: what is published, with its date, link, category and licence."""

import pytest

from ftjax.data.read import read
from ftjax.data.sources._reading import Reading
from tests.data.prepared import document, prepare

WXR = """<?xml version="1.0" encoding="UTF-8" ?>
<rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/"
 xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:wp="http://wordpress.org/export/1.2/">
<channel><title>Coast</title><copyright>CC BY-SA 4.0</copyright><wp:wxr_version>1.2</wp:wxr_version>
<wp:author><wp:author_login>mara</wp:author_login></wp:author>
{items}
</channel></rss>"""


def post(title="Salt &amp; wind", body="<p>Words.</p>", kind="post", status="publish", more=""):
  return f"""<item><title>{title}</title><link>https://example.org/salt</link>
<pubDate>Wed, 05 Apr 2023 06:07:08 +0000</pubDate><dc:creator><![CDATA[mara]]></dc:creator>
<content:encoded><![CDATA[{body}]]></content:encoded><excerpt:encoded><![CDATA[short]]></excerpt:encoded>
<wp:post_date>2023-04-05 08:07:08</wp:post_date><wp:post_date_gmt>2023-04-05 06:07:08</wp:post_date_gmt>
<wp:status>{status}</wp:status><wp:post_type>{kind}</wp:post_type>{more}
<category domain="category" nicename="u"><![CDATA[Uncategorized]]></category>
<category domain="post_tag" nicename="t"><![CDATA[a tag]]></category>
<category domain="category" nicename="s"><![CDATA[Sea &amp; Sky]]></category></item>"""


@pytest.fixture
def export(tmp_path):
  def write(*items):
    (tmp_path / "a.xml").write_text(WXR.format(items="\n".join(items)), "utf-8")
    return tmp_path / "a.xml"

  return write


def test_posts_and_pages_that_are_published(export, gather):
  path = export(
    post(), post("Draft", status="draft"), post("Image", kind="attachment"), post("Menu", kind="nav_menu_item"),
    post("Page", "<h2>A</h2>\n\nFirst.\n\nSecond.", kind="page"), post("Secret", more="<wp:post_password>x</wp:post_password>"),
    post("Empty", "<!-- wp:more --> "),
  )  # fmt: skip
  rows, bad = gather("xml", path)
  assert [r["title"] for r in rows] == ["Salt & wind", "Page"]
  assert rows[0] == {
    "text": "Words.", "title": "Salt & wind", "date": "2023-04-05T06:07:08+00:00", "author": "mara",
    "url": "https://example.org/salt", "category": "Sea & Sky", "licence": "CC BY-SA 4.0",
  }  # fmt: skip
  assert rows[1]["text"] == "## A\n\nFirst.\n\nSecond."
  assert [
    "item 6" in bad[0] and "password" in bad[0],
    "item 7" in bad[1] and "no text" in bad[1],
  ] == [True, True]
  assert bad[2:] == [
    f"{path}: items that were left out: 1 of type attachment, 1 of type nav_menu_item, "
    "1 posts with status draft (drafts=True takes them)."
  ]
  rows, bad = gather("wxr", path, Reading(drafts=True))
  assert len(rows) == 3 and "draft" not in bad[2] and "attachment" in bad[2]


def test_what_is_left_out_is_a_warning_and_no_bad_row(export, tmp_path, capsys):
  items = [post(f"T{i}", document(i)) for i in range(3)]
  path = export(*items, post("Draft", status="draft"), *[post(kind="attachment")] * 5)
  version = prepare(path, tmp_path / "out")
  report = version.report
  assert report["sources"][0]["bad"] == 0 and not report["bad"]
  told = "5 of type attachment, 1 posts with status draft (drafts=True takes them)"
  assert [told in w for w in report["warnings"]].count(True) == 1
  assert told in (version.folder / "card.md").read_text("utf-8").replace("\\", "")
  assert len(read(str(path))) == 3, "training goes on, and says it"
  assert told in capsys.readouterr().err


def test_an_export_that_breaks_off_gives_what_stands_before(export, gather):
  path = export(post("One"), post("Two \x0b with a control character"), post("Three"))
  raw = path.read_text("utf-8")
  path.write_text(raw[: raw.index("Three") + 3], "utf-8")
  rows, bad = gather("xml", path)
  assert [r["title"] for r in rows] == ["One", "Two with a control character"]
  assert len(bad) == 1 and "not valid XML at column" in bad[0]


def test_a_post_that_is_too_large_ends_the_file(export, gather):
  path = export(post("One"), post("Two", "y" * 300_000), post("Three"))
  rows, bad = gather("wxr", path, Reading(max_line=100_000))
  assert [r["title"] for r in rows] == ["One"] and "an entry has more than 100 kB" in bad[0]


def test_posts_are_let_go_as_they_are_read(export, gather):
  import tracemalloc

  path = export(*(post(f"P{i}", "y" * 100_000) for i in range(100)))
  from ftjax.data.sources import wxr

  tracemalloc.start()
  assert sum(1 for _ in wxr.records(str(path), how=Reading(max_line=1_000_000))) == 100
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert peak < 5_000_000


@pytest.mark.parametrize(
  "head",
  [
    '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
  ],
)
def test_entities_are_refused(tmp_path, gather, head):
  (tmp_path / "a.xml").write_text(
    f"{head}<rss><channel><item><title>&a;</title></item></channel></rss>"
  )
  rows, bad = gather("xml", tmp_path / "a.xml")
  assert not rows and "entities of its own" in bad[0]


RSS = """<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel><title>F</title><copyright>(c) Coast</copyright>
<item><title>One</title><link>https://example.org/1</link><description>short</description>
<content:encoded>&lt;p&gt;Long &amp;amp; whole.&lt;/p&gt;</content:encoded><dc:creator>Mara</dc:creator>
<pubDate>Wed, 05 Apr 2023 06:07:08 GMT</pubDate><category>Sea</category></item>
<item><title>Two</title><guid>https://example.org/2</guid><description><![CDATA[<b>Short</b> one.]]></description></item>
<item><title>Three</title></item></channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>F</title><rights>CC0</rights>
<entry><title type="html">O&amp;amp;ne</title><link rel="self" href="https://example.org/self"/><link href="https://example.org/1"/>
<updated>2023-04-05T06:07:08Z</updated><author><name>Mara</name></author><category term="sea" label="Sea"/>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><h2>Head</h2><p>Body.</p></div></content></entry>
<entry><title>Two</title><summary type="text">1 &lt; 2</summary><rights>own</rights></entry></feed>"""


def test_rss(tmp_path, gather):
  (tmp_path / "a.rss").write_text(RSS)
  rows, bad = gather("feed", tmp_path / "a.rss")
  assert rows == [
    {"text": "Long & whole.", "title": "One", "date": "2023-04-05T06:07:08+00:00", "author": "Mara",
     "url": "https://example.org/1", "category": "Sea", "licence": "(c) Coast"},
    {"text": "**Short** one.", "title": "Two", "url": "https://example.org/2", "licence": "(c) Coast"},
  ]  # fmt: skip
  assert len(bad) == 1 and "a.rss item 3: the entry 'Three' has no text" in bad[0]


def test_atom(tmp_path, gather):
  (tmp_path / "a.atom").write_text(ATOM)
  rows, bad = gather("feed", tmp_path / "a.atom")
  assert not bad
  assert rows == [
    {"text": "## Head\n\nBody.", "title": "O&ne", "date": "2023-04-05T06:07:08+00:00", "author": "Mara",
     "url": "https://example.org/1", "category": "Sea", "licence": "CC0"},
    {"text": "1 < 2", "title": "Two", "licence": "own"},
  ]  # fmt: skip


def test_markup_that_is_not_escaped_is_read_whole(tmp_path, gather, export):
  (tmp_path / "a.rss").write_text(
    "<rss><channel><item><title>A</title><description>Begun <b>bold</b> &lt;3 <p>and on</p> to the end"
    "</description></item></channel></rss>"
  )
  (tmp_path / "a.atom").write_text(
    "<feed xmlns='http://www.w3.org/2005/Atom'><entry><title>A</title><content type='html'><p>Whole.</p>"
    "</content></entry></feed>"
  )
  ((row,), bad) = gather("feed", tmp_path / "a.rss")
  assert row["text"] == "Begun **bold** <3\n\nand on\n\nto the end" and not bad
  ((row,), bad) = gather("feed", tmp_path / "a.atom")
  assert row["text"] == "Whole." and not bad
  text = export(post(body="X")).read_text()
  (tmp_path / "b.xml").write_text(text.replace("<![CDATA[X]]>", "<p>Whole <b>too</b>.</p>"))
  ((row,), bad) = gather("wxr", tmp_path / "b.xml")
  assert row["text"] == "Whole **too**." and not bad


def test_the_longest_text_of_an_entry_is_taken(tmp_path, gather):
  (tmp_path / "a.rss").write_text(
    '<rss xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><item><title>A</title>'
    "<content:encoded>Read on</content:encoded><description>All that there is to read.</description>"
    "</item></channel></rss>"
  )
  ((row,), _) = gather("feed", tmp_path / "a.rss")
  assert row["text"] == "All that there is to read."


def test_xml_of_another_kind_is_told(tmp_path, gather):
  (tmp_path / "a.xml").write_text("<config><key/></config>")
  assert "no entry of RSS or Atom" in gather("xml", tmp_path / "a.xml")[1][0]
