"""Documents as rows: the text, or tasks that it answers; what a choice lacks is told."""

import pytest

from ftjax.config import InputError
from ftjax.data.documents import CHOICES, outline, sections, tasks
from ftjax.data.template import check, render

TEXT = """# The Keeper's Log

It rained.

It went on.

## Storms

Two storms.

### March

```
# not a heading
```
The first.

Autumn
------

The second.

## Empty
"""


def rendered(text=TEXT, rows="text", title=""):
  found = tasks({"text": text, "title": title}, rows, "a.md")
  return [(render(t.prompt, t.fields, ""), render(t.response, t.fields, "")) for t in found]


def test_text():
  assert rendered() == [("", TEXT.strip())]


def test_title():
  body = TEXT.partition("\n\n")[2].strip()
  assert rendered(rows="title") == [('Write an article titled "The Keeper\'s Log".', body)]
  assert rendered("Body.", "title", "T") == [('Write an article titled "T".', "Body.")]
  assert rendered("T\n=\n\nBody.", "title", "t") == [('Write an article titled "t".', "Body.")]


def test_outline():
  prompt, response = rendered(rows="outline")[0]
  assert prompt == (
    'Write an article titled "The Keeper\'s Log" that follows this outline:\n\n'
    "- Storms\n  - March\n- Autumn\n- Empty"
  )
  assert response.startswith("It rained.") and "## Storms" in response


def test_section():
  of = ' of an article titled "The Keeper\'s Log".'
  assert rendered(rows="section") == [
    (f'Write the section "Storms"{of}', "Two storms."),
    (f'Write the section "Storms > March"{of}', "```\n# not a heading\n```\nThe first."),
    (f'Write the section "Autumn"{of}', "The second."),
  ]
  assert rendered("## A\n\nx", "section") == [('Write the section "A" of an article.', "x")]


def test_opening():
  prompt, response = rendered(rows="opening")[0]
  assert prompt == 'Continue the article titled "The Keeper\'s Log":\n\nIt rained.'
  assert response.startswith("It went on.\n\n## Storms")
  assert rendered("One.\n\nTwo.\n\nThree.", "opening") == [
    ("Continue this text:\n\nOne.", "Two.\n\nThree.")
  ]


@pytest.mark.parametrize(
  ("rows", "text", "match"),
  [
    ("title", "Body.", "a.md: rows=title needs a title"),
    ("outline", "# T\n\nBody.", "rows=outline needs headings"),
    ("outline", "Body.\n\n## A\n\n## B", "rows=outline needs a title"),
    ("section", "# T\n\nBody.", "rows=section needs a heading with text below it"),
    ("opening", "# T\n\nBody.", "rows=opening needs a second paragraph"),
  ],
)
def test_a_document_that_lacks_what_the_choice_needs(rows, text, match):
  with pytest.raises(InputError, match=match):
    rendered(text, rows)


def test_no_word_is_lost_between_the_sections():
  parts = list(sections(TEXT))
  marks = ("#", "##", "###", "------")
  in_text = [w for w in TEXT.replace("# not", "not").split() if w not in marks]
  in_parts = [w for s in parts for w in f"{s.heading} {s.body}".replace("# not", "not").split()]
  assert in_parts == in_text
  assert [s.level for s in parts] == [1, 2, 3, 2, 2] and set(CHOICES) > {"text"}


def test_dashes_that_are_no_heading():
  for text in ("- a\n---\n", "> q\n---\n", "a\nb\n---\n", "\n---\n", "| a |\n---\n"):
    assert [s.level for s in sections(text)] in ([0], []), text


def test_headings_lose_their_marks():
  parts = list(sections("## **A** [b](c) `d` ##  \n\nx\n\n## C#\n\ny"))
  assert outline(parts, "") == "- A b d\n- C#"


def test_a_template_puts_each_field_in_once():
  fields = {"a": "{b}", "b": 2, "c": ["x", "y"], "d": None, "e": b"\xc3\xa9"}
  assert render("{a}{ b }{c}{d}{e} {{a}}", fields, "f:1") == "{b}2x, y\u00e9 {a}"


@pytest.mark.parametrize(
  ("template", "match"),
  [
    ("{titel}", r"f:1: the template '\{titel\}' speaks of \{titel\}.* It has: title, n\. Did you mean 'title'"),
    ("{title.__class__}", r"speaks of \{title.__class__\}"),
    ("{n}", "f:1: 'n' must be text or a number, but is a dict"),
  ],
)  # fmt: skip
def test_a_field_that_is_not_there_is_an_error(template, match):
  with pytest.raises(InputError, match=match):
    render(template, {"title": "x", "n": {}}, "f:1")


@pytest.mark.parametrize("template", ["{", "a}", "{}", "{a", "{a}}", "{{a}", "{ }"])
def test_a_brace_alone_is_an_error(template):
  with pytest.raises(InputError, match="prompt=.*a brace is alone or empty"):
    check(template, "prompt")


def test_sound_templates_pass():
  for template in ("", "{a}", "{{}}", "{{{a}}}", "x {a} {{y}}"):
    assert check(template, "prompt") == template
