"""Samples for a person, in a terminal and in a browser."""

import html.parser

from ftjax.evaluate.showing import write
from ftjax.generate.generator import Completion

BAD = '<script>alert(1)</script> & &lt; ![x](http://a.b/c) [y]: z \\<b> "\x1b[31m'
BRIEFS = (
  "name: Otter kettle | price: £30 | tone: calm",
  "name: Fox lamp | price: £12 | tone: loud",
)
REFERENCES = (["An Otter kettle.\nJust £30."], ["Fox lamp, £12.", "£12 buys a Fox lamp."])
PROMPTS = [
  {"prompt": b + "\n", "brief": b, "references": r} for b, r in zip(BRIEFS, REFERENCES, strict=True)
]
TEXTS = {
  "base": [Completion(BAD, (), "length"), Completion("", (), "stop")],
  "tuned": [
    Completion("A Fox lamp for 30 pounds, since 1871.", (), "stop"),
    Completion("Fox lamp", (), "stop"),
  ],
}
SCORES = {"floor": {"bleu": 1.0}, "base": {"bleu": 2.0}, "tuned": {"bleu": 3.0}}


class Page(html.parser.HTMLParser):
  """The elements of a page, and the text in its marks."""

  def __init__(self, text):
    super().__init__()
    self.tags, self.marks, self._mark, self.data = [], [], None, ""
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))
    self._mark = dict(attrs).get("class") if tag == "mark" else None

  def handle_data(self, data):
    self.data += data
    if self._mark:
      self.marks.append((self._mark, data))
      self._mark = None


def written(tmp_path, limit=2):
  paths = write(tmp_path, PROMPTS, TEXTS, SCORES, limit=limit, warnings=["<i> is short"])
  assert [p.name for p in paths] == ["samples.md", "samples.html"]
  return [p.read_text(encoding="utf-8") for p in paths]


def test_markdown_is_read_as_it_stands_in_a_terminal(tmp_path):
  text, _ = written(tmp_path)
  lines = text.splitlines()
  assert "    BLEU    1.0   2.0    3.0        +2.0" in lines
  assert "> name: Otter kettle | price: £30 | tone: calm" in lines
  assert lines[lines.index("> An Otter kettle.  ") + 1] == "> Just £30."  # A line break stays one.
  assert "**reference 2** (states 2 of 2 facts)" in lines
  assert "**tuned model** (states 1 of 2 facts; missing: name Otter kettle; invented: 1871; Fox lamp)" in lines  # fmt: skip
  assert "**base model** (states 0 of 2 facts; missing: name Fox lamp; price £12; empty)" in lines
  assert not any(x in text for x in ("<br>", "&amp;", "\\|", "\x1b"))


def test_no_text_acts_as_markdown_or_html(tmp_path):
  text, _ = written(tmp_path)
  shown = (
    '> \\<script>alert(1)\\</script> & \\&lt; !\\[x]\\(http://a.b/c) [y]\\: z \\\\\\<b> "\ufffd[31m'
  )
  assert shown in text.splitlines()
  assert "Warning: \\<i> is short" in text


def test_the_page_marks_facts_and_runs_nothing(tmp_path):
  _, text = written(tmp_path)
  page = Page(text)
  tags = {tag for tag, _ in page.tags}
  assert not tags & {"script", "img", "i", "b", "link", "iframe"}
  assert BAD.replace("\x1b", "\ufffd") in page.data and "<i> is short" in page.data
  assert any("default-src 'none'" in a.get("content", "") for _, a in page.tags)
  assert page.marks[2:] == [  # after the legend's two
    ("stated", "Otter kettle"), ("stated", "30"), ("invented", "1"), ("invented", "31"),
    ("invented", "Fox lamp"), ("stated", "30"), ("invented", "1871"),
    ("stated", "Fox lamp"), ("stated", "12"), ("stated", "12"), ("stated", "Fox lamp"),
    ("stated", "Fox lamp"),
  ]  # fmt: skip
  assert "missing: name Otter kettle" in page.data and "cut at the limit of tokens" in page.data


def test_only_so_many_prompts_are_shown(tmp_path):
  text, page = written(tmp_path, limit=1)
  assert "Otter" in text and "## 2" not in text and 'id="s2"' not in page
