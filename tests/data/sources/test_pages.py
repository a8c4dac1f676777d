"""HTML, Markdown and PDF as documents; pages of nothing are told."""

import gzip
import time

import pytest

from ftjax.data.sources._markup import decode_html, iso_date, plain, to_markdown
from ftjax.data.sources._pages import cut_off

WORDS = "The lighthouse keeper wrote down the weather every evening, whatever the weather was. " * 4
PAGE = f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<title>The Keeper's Log | Coast Weekly</title>
<meta property="og:title" content="The Keeper's Log">
<meta name="author" content="Mara Lind">
<meta property="article:published_time" content="2023-04-05T06:07:08Z">
<link rel="canonical" href="https://example.org/keeper">
</head><body><nav><a href="/">Home</a> <a href="/about">About us</a></nav>
<main><article><h1>The Keeper's Log</h1><p>{WORDS}</p>
<h2>Storms</h2><p>Caf\u00e9 storms. {WORDS}</p>
<h3>The storm of March</h3><p>It <b>rained</b>. {WORDS}</p>
<p>Text under <a rel="license" href="https://creativecommons.org/licenses/by/4.0/">CC BY 4.0</a>.</p>
</article></main><footer>Copyright, cookies, share this</footer></body></html>"""


def test_a_page_is_its_article_in_markdown_with_what_its_head_says(tmp_path, gather):
  (tmp_path / "a.html").write_text(PAGE, "utf-8")
  (tmp_path / "b.html.gz").write_bytes(gzip.compress(PAGE.encode()))
  rows, bad = gather("html", tmp_path / "a.html")
  assert not bad and len(rows) == 1
  row = rows[0]
  lines = row["text"].split("\n")
  assert "## Storms" in lines and "### The storm of March" in lines
  assert "Caf\u00e9 storms." in row["text"] and "About us" not in row["text"]
  assert "cookies" not in row["text"]
  assert row["title"] == "The Keeper's Log" and row["author"] == "Mara Lind"
  assert row["date"].startswith("2023-04-05") and row["url"] == "https://example.org/keeper"
  assert "CC BY" in row["licence"]
  assert gather("html", tmp_path / "b.html.gz") == (rows, [])


def test_a_title_is_the_articles_own_and_a_year_in_the_text_is_no_date(tmp_path, gather):
  page = f"""<html><head><title>Site</title></head><body><h1>Menu</h1><main><h1>The <code>Log</code></h1>
  <p>Since 2018 it is so. {WORDS}</p><p>{WORDS}</p></main></body></html>"""
  (tmp_path / "a.html").write_text(page)
  (row,), bad = gather("html", tmp_path / "a.html")
  assert row["title"] == "The Log" and "date" not in row and not bad


def test_a_page_in_another_encoding_is_read_by_what_it_declares(tmp_path, gather):
  for name, said in (("latin-1", "iso-8859-1"), ("shift_jis", "Shift_JIS"), ("utf-16", "")):
    word = "\u706f\u53f0" if name == "shift_jis" else "Caf\u00e9"
    page = PAGE.replace('charset="utf-8"', f'charset="{said}"' if said else "").replace(
      "Caf\u00e9", word
    )
    (tmp_path / "a.html").write_bytes(page.encode(name))
    rows, bad = gather("html", tmp_path / "a.html")
    assert not bad and f"{word} storms." in rows[0]["text"], name


def test_the_encoding_of_a_page():
  assert decode_html(b"\xef\xbb\xbfcaf\xc3\xa9") == "caf\u00e9"
  assert decode_html(b"caf\xc3\xa9") == "caf\u00e9"
  assert decode_html(b"caf\xe9 \x93so\x94") == "caf\u00e9 \u201cso\u201d"
  assert (
    decode_html("caf\u00e9".encode("cp1251", "replace"), "text/html; charset=nonsense") == "caf?"
  )
  assert decode_html("\u0434\u0430".encode("koi8-r"), "text/html; charset=koi8-r") == "\u0434\u0430"
  assert decode_html(b"<meta charset=utf-8>\xe9") == "<meta charset=utf-8>\u00e9"


@pytest.mark.parametrize(
  "page",
  ["", "<html></html>", "<html><body><script>var x = 'words words words';</script></body></html>",
   "\0\0\0", "<div>" * 20_000, "<!-- " + "x" * 1000],
)  # fmt: skip
def test_a_page_of_nothing_is_told(tmp_path, gather, page):
  (tmp_path / "a.html").write_text(page)
  rows, bad = gather("html", tmp_path / "a.html")
  assert not rows and len(bad) == 1 and "a.html: " in bad[0]


def test_a_body_of_html_is_markdown():
  body = """<!-- wp:heading --><h2>One <em>two</em></h2><p>A <a href="x">link</a> &amp; snake_case *star*.</p>
  <ul><li>a</li><li>b</li></ul><img src="x" alt="gone"><script>no()</script><blockquote><p>q</p></blockquote>"""
  assert to_markdown(body) == ("## One *two*\n\nA link & snake_case *star*.\n\n- a\n- b\n\n> q")


def test_a_body_as_wordpress_stores_it_keeps_its_paragraphs():
  body = "First line\nsecond line\n\n<h2>Head</h2>\n\nNext [caption id='1']<img src='x'/>[/caption]one.\n\n[gallery ids='1']"
  text = to_markdown(body)
  assert text.split("\n\n")[1:] == ["## Head", "Next one."]
  assert text.startswith("First line") and "second line" in text.split("\n\n")[0]
  assert to_markdown("One.\n\nTwo <b>x</b>.\r\n\r\nThree\nfour.").split("\n\n") == [
    "One.", "Two **x**.", "Three\nfour.",
  ]  # fmt: skip


def test_titles_and_dates():
  assert plain("Salt &amp; <b>Wind</b>\n again") == "Salt & Wind again"
  for given, wanted in (
    ("2024-05-01", "2024-05-01"), ("2024-05-01 10:00:00", "2024-05-01T10:00:00"), ("2024", "2024"),
    ("Wed, 01 May 2024 10:00:00 +0200", "2024-05-01T10:00:00+02:00"), ("D:20240501093000Z", "2024-05-01"),
    ("0000-00-00 00:00:00", ""), ("soon", ""), (None, ""), ("2024-13-77", ""),
  ):  # fmt: skip
    assert iso_date(given) == wanted, given


def test_front_matter_is_read_and_leaves_the_text(tmp_path, gather):
  path = tmp_path / "a.md"
  path.write_text(
    "---\ntitle: 'Salt: a guide'\ndate: 2024-05-01\nauthors: [Ada, Bo]\ntags:\n  - sea\n  - salt\n"
    "license: CC0\n---\n\n# Salt\n\nBody.\n"
  )
  assert gather("markdown", path) == (
    [{"text": "# Salt\n\nBody.\n", "title": "Salt: a guide", "date": "2024-05-01", "author": "Ada, Bo",
      "category": "sea", "licence": "CC0"}], [],
  )  # fmt: skip
  path.write_text('+++\ntitle = "T"\ndate = 2024-05-01T10:00:00Z\n+++\nBody.\n')
  assert gather("markdown", path)[0] == [
    {"text": "Body.\n", "title": "T", "date": "2024-05-01T10:00:00+00:00"}
  ]
  path.write_text("---\n---\nBody.\n\n---\nMore.")
  assert gather("markdown", path) == ([{"text": "Body.\n\n---\nMore."}], [])
  for plain_text in (
    "# Head\n\nBody.\n",
    "---\n\nA rule, then text.\n\n---\n\nMore.\n",
    "---\n\nNote: a text between two rules.\n\n---\n\nMore.\n",
    "---\nnever closed\n",
  ):
    path.write_text(plain_text)
    assert gather("markdown", path) == ([{"text": plain_text}], [])


@pytest.mark.parametrize(
  ("front", "match"),
  [
    ("title: a: b", "a.md:2: the front matter is not valid YAML"),
    ("a: &x [1]\nb: [*x, *x]", "YAML aliases"),
    ("title: ok", "a.md: the file has no text, only front matter"),
  ],
)
def test_front_matter_that_is_bad_is_told(tmp_path, gather, front, match):
  body = "" if "only" in match else "Body.\n"
  (tmp_path / "a.md").write_text(f"---\n{front}\n---\n{body}")
  rows, bad = gather("markdown", tmp_path / "a.md")
  assert not rows and match in bad[0]


def test_front_matter_runs_no_code(tmp_path, gather):
  mark = tmp_path / "ran"
  front = f"title: !!python/object/apply:os.mkdir ['{mark}']"
  (tmp_path / "a.md").write_text(f"---\n{front}\n---\nBody.\n")
  gather("markdown", tmp_path / "a.md")
  assert not mark.exists()


def test_a_page_that_is_cut_off_is_told_wherever_it_is(tmp_path, gather):
  end = PAGE.index("</article>")
  for at in range(PAGE.index("<h2>"), end, 97):
    (tmp_path / "a.html").write_text(PAGE[:at], "utf-8")
    rows, bad = gather("html", tmp_path / "a.html")
    assert not rows and len(bad) == 1, PAGE[at - 20 : at]
    assert "the page is cut off inside" in bad[0] or "no text" in bad[0]


@pytest.mark.parametrize(
  ("page", "where"),
  [
    ("<p>Half a pa", ""), ("<html><body><p>Half a pa", "inside <body>"), ("<html><p>A whole one.", ""),
    ("<p>Half a <b>pa", "inside <b>"), ("<p>Half <a href='x", "inside the tag"),
    ("<p>Half <", ""), ("<p>x<script>var", "inside '<script'"), ("<p>x<!-- half", "inside '<!--'"),
    ("<div><p>x</div></body>", ""), ("<div><div>x</body></html>", ""), ("<ul><li>x</ul>", ""),
    ("<p>1 < 2 <em>x</em>", ""), ("<svg><path d='<'/></svg><p>x", ""), ("<div/><p>x", ""),
    ("<script><b></script>x", ""), ("<!-- <b> -->x", ""), ("<b>x</B>", ""), ("<html><a name=top><p>All.", ""),
  ],
)  # fmt: skip
def test_where_a_page_is_cut_off(page, where):
  assert cut_off(page).startswith(where) if where else not cut_off(page)


def test_whether_a_page_is_cut_off_takes_no_time():
  start = time.process_time()
  for page in (
    "<script" * 100_000,
    "<!--" * 100_000,
    "<b '" * 100_000,
    "<a>" * 100_000,
    "<" * 10**6,
  ):
    cut_off(page)
  assert time.process_time() - start < 5


def article(body):
  return f"<html><body><main><h1>Hours</h1><p>{WORDS}</p>{body}<p>{WORDS}</p></main></body></html>"


def test_lists_in_the_cells_of_a_table_are_kept(tmp_path, gather):
  body = """<table><tr><th>Day</th><th>Open</th></tr>
  <tr><td>Monday</td><td>Ring: <ul><li>10 to <b>12</b></li><li>14 to 18<ol><li>not in May</li></ol> or so</li></ul> then knock</td></tr>
  <tr><td>Sunday</td><td><dl><dt>shop</dt><dd>closed</dd></dl></td></tr></table>
  <ul><li>outer<ul><li>inner</li></ul></li></ul>"""
  (tmp_path / "a.html").write_text(article(body))
  (row,), bad = gather("html", tmp_path / "a.html")
  lines = [line.strip() for line in row["text"].split("\n")]
  assert "| Monday | Ring: 10 to 12; 14 to 18 or so; not in May then knock |" in lines
  assert "| Sunday | shop; closed |" in lines and not bad
  assert "- outer\n  - inner" in row["text"]


def test_a_table_that_lays_out_a_page_is_its_content(tmp_path, gather):
  page = f"""<html><body><table class="main"><tr><td class="side"><a href="/">Home</a> <a href="/old">Archive</a></td>
  <td><h1>Levers</h1><p>{WORDS}</p><table><tr><td>arm</td><td>left</td></tr><tr><td>pot</td><td>one</td></tr></table>
  <p>Then, later on, {WORDS}</p></td><td id="right-sidebar">Our newest and best offers of the whole week</td></tr></table></body></html>"""
  (tmp_path / "a.html").write_text(page)
  (row,), bad = gather("html", tmp_path / "a.html")
  assert "The lighthouse keeper" in row["text"] and "Then, later" in row["text"] and not bad
  assert "| pot | one |" in row["text"], "a table of data in it stays one"
  assert "Home" not in row["text"] and "offers" not in row["text"]


def test_a_table_of_data_stays_one(tmp_path, gather):
  body = "<table><tr><td><p>Iris</p></td><td><p>by the pond</p><p>in May</p></td></tr><tr><td>Thyme</td><td><a href='x'>wall</a></td></tr></table>"
  (tmp_path / "a.html").write_text(article(body))
  (row,), _ = gather("html", tmp_path / "a.html")
  assert "| Iris | by the pond in May |" in row["text"] and "| Thyme | wall |" in row["text"]
