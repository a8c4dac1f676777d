"""Damage is mended and typography stays; code keeps its lines."""

import pytest

from ftjax.data.clean import text, whitespace
from ftjax.data.clean.code import blocks
from ftjax.data.clean.text import fix
from ftjax.data.clean.whitespace import tidy
from tests.data.clean.rows import chat, document, run


@pytest.mark.parametrize(
  "broken, mended",
  [
    ("âœ” No problems", "✔ No problems"),  # From ftfy's documentation.
    (
      "The Mona Lisa doesnÃƒÂ¢Ã¢â€šÂ¬Ã¢â€žÂ¢t have eyebrows.",
      "The Mona Lisa doesn’t have eyebrows.",
    ),
    ("cafÃ© au lait", "café au lait"),
    ("a\x00b\x07c\x1b[31md", "abcd"),
    ("one\r\ntwo\rthree", "one\ntwo\nthree"),
    ("hy\u00adphen zero\u200bwidth \ufeffbom", "hyphen zerowidth bom"),
    ("read\U000e0069\U000e0067 me", "read me"),
  ],
)
def test_damage_is_mended(broken, mended):
  assert fix(broken) == mended


@pytest.mark.parametrize(
  "good",
  [
    "“Curly,” he said—‘never straight’… and 10–20 more.",
    "ﬁne ligatures, Ｗｉｄｅ letters, ½ and ™ stay",
    "&lt;b&gt; is for the markup step",
    "Grüße aus Köln, Ærø, São Tomé, Łódź, Ελλάδα, Москва, 東京, العربية, हिन्दी",
    "👩‍👩‍👧 and 🏴󠁧󠁢󠁥󠁮󠁧󠁿 are one sign each",
    "ภาษา\u200bไทย",
    "می‌خواهم",
    "tab\tand\nline feed",
  ],
)
def test_typography_stays(good):
  assert fix(good) == good


def test_normal_forms(config):
  decomposed, config.clean.fix = "cafe\u0301 ﬁ ①", False
  for form, expected in [("NFC", "café ﬁ ①"), ("NFKC", "café fi 1"), ("none", decomposed)]:
    config.clean.unicode = form
    step = text.make(config.clean)
    assert (step.change(decomposed) if step else decomposed) == expected
  assert step is None
  config.clean.unicode = "NFX"
  with pytest.raises(ValueError, match="clean.unicode='NFX'.*NFC, NFKC, none"):
    text.make(config.clean)


def test_whitespace():
  assert tidy("\n\n  One. \t\n\n\n\nTwo.\u00a0\n \n\n") == "One.\n\nTwo."
  table = "a    b\n1    2"
  assert tidy(table) == table
  assert tidy("    return x\n    # done") == "    return x\n    # done"
  assert tidy(" \n\t") == ""


def test_fenced_code_keeps_its_blank_lines():
  code = "```python\ndef f():\n  pass\n\n\ndef g():\n  pass\n```"
  assert tidy(f"Here:\n\n\n\n{code}\n\n\n\nDone.") == f"Here:\n\n{code}\n\nDone."


@pytest.mark.parametrize(
  "source, code",
  [
    ("a\n```\nx\n```\nb", ["```\nx\n```\n"]),
    ("~~~~\n~~~\n~~~~\n", ["~~~~\n~~~\n~~~~\n"]),
    ("```\nnever closed\n", ["```\nnever closed\n"]),
    ("no ``` fence here", []),
  ],
)
def test_blocks(source, code):
  found = list(blocks(source))
  assert "".join(part for _, part in found) == source
  assert [part for fenced, part in found if fenced] == code


def test_every_message_is_mended_and_a_clean_row_is_itself(config):
  step = text.make(config.clean)
  changed, _ = run(step, chat("cafÃ©?", "cafÃ©!"))
  assert [m["content"] for m in changed.messages] == ["café?", "café!"]
  row = document("Nothing to do.")
  assert run(step, row)[0] is row
  assert run(whitespace.make(config.clean), row)[0] is row
