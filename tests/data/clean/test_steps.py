"""Laws of all steps together: once is enough, they travel, nothing planted is left, no text is
slow."""

import json
import os
import pickle
import random
import subprocess
import sys
from collections import Counter

import pytest

from ftjax.data.clean.steps import excerpt, hide, steps
from ftjax.data.defaults import get_config
from ftjax.data.example import Drop
from tests.data.clean.rows import chat, document, run

NAMES = ["length", "text", "markup", "boilerplate", "whitespace", "quality", "language", "words", "secrets", "pii"]  # fmt: skip


def test_order(config):
  assert [s.name for s in steps(config)] == NAMES
  config.clean.fix = config.clean.markup = config.clean.boilerplate = False
  config.clean.whitespace = config.quality.enabled = False
  config.clean.unicode = "none"
  assert [s.name for s in steps(config)] == NAMES[6:]


def test_steps_travel(config):
  made = steps(config)
  assert pickle.loads(pickle.dumps(made)) == made
  hash(tuple(made))


WILD = [
  "a < b", "<p>", "</p>", "<b>bold</b>", "&amp;", "&lt;b&gt;", "&lt;p&gt;", "`x`", "```\n", "cafÃ©", "“q”", "\x00", "\u200b", " \n", "\n\n\n",
  "\r\n", "Home | About | Contact\n", "Read more\n", "jane@example.org", "+44 20 7946 0018", "415-555-2671", "4111 1111 1111 1111",
  "203.0.113.7", "password = hunter2", "shit", "[EMAIL]", "[EMAIL:9f2c41]", "***", "the cat and the dog", "<!-- x -->", "[[a|b]]",
  "[b]x[/b]", "[", "]", "<", ">", "&", ";", "#", "東京", "é", "1", "22", "(", ")", "token: ", "key=", "SSN 078-05-1120", "<pre>", "</pre>",
  "<code>", "</code>", "<li>", "~~~\n", "    ", "DE89370400440532013000", "jane [at] example [dot] org", "\ue000", "»", "e\u0301",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_once_is_enough(config, name):
  """A step done twice is the step done once, on rows drawn from what the rules look at."""
  config.words.profanity = "mask"
  config.pii.email, config.pii.key = "hash", "k"
  step = next(s for s in steps(config) if s.name == name)
  draw = random.Random(name)
  for _ in range(400):
    text = draw.choice(["", " ", "\n"]).join(draw.choices(WILD, k=draw.randrange(1, 14)))
    for row in (document(text), chat("Well?", text)):
      once, _ = run(step, row)
      if not isinstance(once, Drop):
        assert run(step, once)[0] == once, text


@pytest.mark.parametrize("demo", ["c4", "alpaca"])
def test_once_is_enough_on_the_demo_files(config, demo, request):
  made = steps(config)
  for row in request.getfixturevalue(demo)[:150]:
    for step in made:
      done, _ = run(step, row)
      if isinstance(done, Drop):
        break
      assert run(step, done)[0] == done
      row = done


PLANTED = [
  "jane.doe@example.org", "+44 20 7946 0018", "(415) 555-2671", "4111 1111 1111 1111", "GB82 WEST 1234 5698 7654 32", "203.0.113.7",
  "2001:db8::1", "078-05-1120", "RSSMRA85T10A562S", "hunter2", "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6", "s3cr3tPa55",
]  # fmt: skip


def test_hide_leaves_nothing():
  text = (
    f"{PLANTED[0]} {PLANTED[1]}, {PLANTED[2]}; {PLANTED[3]}. {PLANTED[4]} {PLANTED[5]} {PLANTED[6]} {PLANTED[7]} {PLANTED[8]} "
    f"password = {PLANTED[9]} {PLANTED[10]} postgres://app:{PLANTED[11]}@db.example.org/x"
  )
  shown = hide(text)
  assert not [p for p in PLANTED if p in shown]
  assert hide(shown) == shown
  assert hide("Nothing to hide.") == "Nothing to hide."


def test_excerpt_never_cuts_a_value_in_two():
  for start in range(280, 300):
    shown = excerpt("x" * start + " +44 20 7946 0018 and more " * 9)
    assert len(shown) <= 300 and "7946" not in shown and "+44" not in shown


def test_rows_and_figures_hold_no_value(config):
  text = f"Write to jane.doe@example.org or 415-555-2671. password = hunter2. {'The cat and the dog sat. ' * 3}"
  counts = Counter()
  row = document(text)
  for step in steps(config):
    row = step(row, counts)
    assert not isinstance(row, Drop)
  seen = f"{row} {counts}"
  assert not [v for v in ("jane", "2671", "hunter2") if v in seen]


LONG = 20_000
HARD = [
  "a", "@", "1", "<", "a@", "a.", "1 ", "1-", "1.", "<p ", "<a href=", "<script>", "<!--", "&lt;", "&", "[b]", "[[a|", "`", "```\n", "\n",
  " ", "-", "eyJ", "password=", "token ", "://:", "a://b:c@", "é", "Ã", "\u200b", "AA11", "(1)", "+1", ":", "a:", "1:", "a [at] ",
  "-----BEGIN PRIVATE KEY-----", "<pre>", "| ", "share ", "©", "我", "0000-", "\x00", "GB82 ", "a@b.co ", "shit ", "\ue000",
]  # fmt: skip

_TIMED = """
import json, sys, time
from collections import Counter
from ftjax.data.clean.steps import steps
from ftjax.data.defaults import get_config
from ftjax.data.example import Example
for text in json.load(sys.stdin):
  for step in steps(get_config()):
    step(Example(text=text), Counter())
"""


def test_no_text_takes_forever():
  """Long runs of what the rules begin with go through; a pattern that backtracks would need hours,
  and the limit ends it."""
  texts = [(part * LONG)[:LONG] for part in HARD] + [
    "<p" + " " * LONG,
    "a" * LONG + "@" + "a." * LONG,
  ]
  subprocess.run(
    [sys.executable, "-c", _TIMED], input=json.dumps(texts), text=True, check=True, timeout=120,
    env=os.environ | {"PYTHONPATH": os.getcwd()},
  )  # fmt: skip


def test_the_defaults_are_complete():
  """Every key of the steps' sections is read by one of them: a typo would go unseen."""
  read = set()

  class Spy(dict):
    def __getitem__(self, key):
      read.add(key)
      return super().__getitem__(key)

  config = get_config()
  sections = {n: Spy(config[n]) for n in ("clean", "language", "quality", "words", "pii")}
  from types import SimpleNamespace

  config.pii.key = "k"
  steps(SimpleNamespace(secrets="mask", **sections))
  keys = {key for section in sections.values() for key in section.keys()}
  assert keys - read == {"key"}  # Read only when something is hashed.
