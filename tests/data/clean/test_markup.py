"""Leftover markup goes, what only looks like it stays; boilerplate goes by line."""

import pytest

from ftjax.data.clean import boilerplate, markup
from ftjax.data.clean.boilerplate import rule_of
from ftjax.data.clean.markup import strip
from ftjax.data.example import Drop
from tests.data.clean.rows import chat, document, run


@pytest.mark.parametrize(
  "dirty, clean",
  [
    ("<p>One</p><p>Two<br/>three</p>", "One\n\n\n\nTwo\nthree"),
    ("a <b>bold</b> <em class='x'>word</em>", "a bold word"),
    ('see <a href="https://example.org">here</a>', "see here"),
    ("<ul><li>one</li><li>two</li></ul>", "- one\n- two"),
    ("<h2>Title</h2>Text", "## Title\n\nText"),
    ("x<script>if (a < b) alert(1)</script>y", "x\ny"),
    ("x<STYLE type=a>p { }</STYLE>y", "x\ny"),
    ("x<!-- a > comment -->y", "xy"),
    ("Tom &amp; Jerry &#8217;s &nbsp;caf&eacute;", "Tom & Jerry ’s \u00a0café"),
    ("5 &lt; 6 &gt; 4", "5 < 6 > 4"),
    ("use the &lt;b&gt; tag", "use the `<b>` tag"),
    ("&lt;p&gt;Hello &amp;amp; bye&lt;/p&gt;", "Hello & bye"),
    ("E = mc<sup>2</sup>", "E = mc^2"),
    ("so <code>x &lt; y</code> it is", "so `x < y` it is"),
    ("[[Ada Lovelace|Ada]] wrote it", "Ada wrote it"),
    ("[b]bold[/b] and [url=http://a.b]link[/url]", "bold and link"),
  ],
)
def test_markup_goes(dirty, clean):
  assert strip(dirty).strip() == clean


@pytest.mark.parametrize(
  "text",
  [
    "a < b and c > d, i<n && n>0, x <b and y> z",
    "std::vector<int> v; Map<String, List<i>> m;",
    "<s> and </s>, <unk>, <|im_start|>, <think>, <title>, <summary>done</summary>",
    "<article>the text to sum up</article>",
    "in `<b>bold</b>` and\n```html\n<p>&amp;</p>\n```\n",
    "if [[ -f x || -d y ]]; then a[i] = b[u]; fi",
    "AT&T, R&D; Q&A, ?a=1&copy=2&lt=3",
    "I <3 you, >_<, <- and ->, <foo@example.org>",
    "[1] and [b] are footnotes",
    "<p and no end",
    "{{ name }} and '''doc'''",
  ],
)
def test_what_only_looks_like_markup_stays(text):
  assert strip(text) == text


def test_a_conversation_about_markup_keeps_it(config):
  step = markup.make(config.clean)
  row = chat("Write a page in HTML.", "<html><body><p>Hi</p></body></html>")
  result, counts = run(step, row)
  assert result is row and counts == {"rows_about_markup": 1}
  result, _ = run(step, chat("Who wrote it?", "<p>Mary Shelley</p>"))
  assert result.response.strip() == "Mary Shelley"


@pytest.mark.parametrize(
  "line, rule",
  [
    ("This site uses cookies to improve your experience.", "cookies"),
    ("We and our partners use essential cookies", "cookies"),
    ("Privacy Policy | Terms of Use", "cookies"),
    ("Please enable JavaScript to view the comments.", "javascript"),
    ("Subscribe to our newsletter!", "newsletter"),
    ("Enter your email address", "newsletter"),
    ("Copyright © 2007-2016 Acme LLC. All rights reserved.", "copyright"),
    ("Powered by WordPress", "copyright"),
    ("12 comments", "counter"),
    ("1.2K views", "counter"),
    ("Share on Facebook Tweet Pin it", "share"),
    ("Share this:", "share"),
    ("Home | About | Contact | Blog", "navigation"),
    ("Home > News > Sport", "navigation"),
    ("Skip to main content", "navigation"),
    ("Read more »", "navigation"),
    ("The cookies were baked with butter and sugar.", ""),
    ("She said that JavaScript is her favourite language.", ""),
    ("All the newsletters of the society lie in this box.", ""),
    ("I read more and more, and my home is where the shop was.", ""),
    ("Share the bread with a friend.", ""),
    ("He wrote three comments on the second draft.", ""),
    ("Facebook bought Instagram and WhatsApp.", ""),
    ("x" * 301 + " all rights reserved", ""),
    ("", ""),
  ],
)
def test_lines(line, rule):
  assert rule_of(line) == rule


def test_boilerplate_counts_lines_and_keeps_the_rest(config):
  step = boilerplate.make(config.clean)
  text = "Home | About | Contact\nA story.\n```\nRead more\n```\nRead more\n© 2020 Acme"
  result, counts = run(step, document(text))
  assert result.text == "A story.\n```\nRead more\n```\n"
  assert counts == {"navigation": 2, "copyright": 1}
  assert run(step, document("Read more\n\n3 comments"))[0] == Drop("nothing_else", "all 2 lines")
  row = chat("Write a line for a footer.", "© 2020 Acme. All rights reserved.")
  assert run(step, row)[0] is row
