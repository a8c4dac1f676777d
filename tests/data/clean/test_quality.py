"""Thresholds on documents, mercy for answers, figures against Gopher's definitions by hand."""

import dataclasses
import random

import pytest

from ftjax.data.clean import quality
from ftjax.data.clean.repetition import Grams, repeated
from ftjax.data.example import Drop
from tests.data.clean.rows import chat, document, run

PROSE = (
  "When the old lighthouse keeper retired, nobody in the village wanted to take his place. The lamp had to be lit at dusk, "
  "the lens polished every morning, and in winter a storm could keep you on the rock for weeks. Only Anna, who was nineteen "
  "and had never been afraid of water, asked the harbour master for the key, and he gave it to her without a word."
)


@pytest.fixture
def step(config):
  return quality.make(config.quality)


def test_prose_passes(step):
  row = document(PROSE)
  assert run(step, row)[0] is row


@pytest.mark.parametrize(
  "text, reason",
  [
    ("", "empty"),
    (" \n ", "empty"),
    ("Hello there", "too_short"),
    (" ".join("a b c d e f g".split() * 10) + ".", "short_words"),
    (" ".join(f"{'x' * 20}{i}" for i in range(60)) + ".", "long_words"),
    (PROSE + " #a #b #c #d #e #f #g #h ...", "symbols"),
    (" ".join(str(1000 + i) for i in range(60)) + ".", "few_words_with_letters"),
    ("\n".join(f"- {w} the and of." for w in PROSE.split()), "bullets"),
    ("\n".join(f"{w} the and of {w} ..." for w in PROSE.split()[:12]), "symbols"),
    ("".join(f"{line}{'...' if i % 2 else '.'}\n" for i, line in enumerate([PROSE[:-1]] * 3)), "ellipses"),
    ("\n".join(PROSE.replace(",", "").replace(".", "").split(" the ")), "few_sentences"),
    (PROSE + " Lorem ipsum dolor.", "lorem_ipsum"),
    (" ".join(f"product{i} item{i}." for i in range(40)), "few_stop_words"),
    ("\n".join([PROSE] * 2), "duplicate_lines"),
    ("\n\n".join(["One line of text.", PROSE, "And again: " + PROSE]), "duplicate_5gram"),
    (" ".join(f"the end of w{i}." for i in range(60)), "top_2gram"),
  ],
)  # fmt: skip
def test_each_rule(step, text, reason):
  drop, _ = run(step, document(text))
  assert isinstance(drop, Drop) and drop.reason == reason
  assert reason == "empty" or any(c.isdigit() for c in drop.detail)


def test_every_threshold_is_used(step, config):
  """Tightened beyond what prose can meet, each of them drops it."""
  lines = PROSE.replace(". ", ".\n- ") + " Lorem ipsum..."
  tight = {
    f.name: (10**6 if f.name.startswith("min") else -1)
    for f in dataclasses.fields(step)
    if f.name not in ("min_document", "max_answer_repetition")
  }
  assert {*tight, "min_document", "max_answer_repetition", "enabled"} == set(config.quality.keys())
  loose = {n: (-1 if n.startswith("min") else 10**6) for n in tight}
  base = dataclasses.replace(step, **loose)
  assert not isinstance(run(base, document(lines))[0], Drop)
  twice = f"{lines}\n\n{lines}"
  reasons = set()
  for name, bound in tight.items():
    drop, _ = run(dataclasses.replace(base, **{name: bound}), document(twice))
    assert isinstance(drop, Drop), name
    reasons.add(drop.reason)
  assert len(reasons) == len(tight)


def test_figures_stand_in_the_detail(step):
  drop, _ = run(step, document("Too short"))
  assert drop == Drop("too_short", "2 words, at least 3")


@pytest.mark.parametrize(
  "answer",
  [
    "Yes.",
    "42",
    "7 x 8 = 56",
    "- a\n- b\n- c",
    "The Vaults is a pub near Café Adriatic with a 5 star rating.",
    "Name | Age\n---|---\n" + "\n".join(f"{i} | {i * i}" for i in range(60)),
    "\n".join(["Row, row, row your boat", "gently down the stream"] * 2) + "\n" + PROSE,
  ],
)
def test_answers_are_not_judged_as_pages(step, answer):
  row = chat("A question?", answer)
  assert run(step, row)[0] is row


def test_an_answer_that_goes_round_in_circles_is_dropped(step):
  drop, _ = run(step, chat("Tell me.", "I do not know what to say about that at all now. " * 20))
  assert drop.reason == "repetition"
  assert run(step, chat("Tell me.", " \n"))[0].reason == "empty"


@pytest.mark.parametrize(
  "text",
  [
    "Als der alte Leuchtturmwärter in den Ruhestand ging, wollte niemand im Dorf seine Stelle. "
    "Die Lampe musste jeden Abend angezündet und die Linse jeden Morgen geputzt werden, und im Winter konnte ein Sturm "
    "einen wochenlang auf dem Felsen festhalten. Nur Anna, die neunzehn war und das Wasser nie gefürchtet hatte, bat den "
    "Hafenmeister um den Schlüssel, und er gab ihn ihr ohne ein Wort zu sagen.",
    "老灯塔看守人退休的时候，村里没有人愿意接替他的位置。灯必须在黄昏时点亮，镜片每天早晨都要擦拭，冬天的暴风雨会把人困在礁石上好几个星期。"
    "只有十九岁的安娜从来不怕水，她向港务长要了钥匙，他一言不发地把钥匙交给了她。",
    "Mzee wa mnara wa taa alipostaafu, hakuna mtu kijijini aliyetaka kuchukua nafasi yake. Taa ilipaswa kuwashwa kila jioni, "
    "kioo kusafishwa kila asubuhi, na wakati wa baridi dhoruba ingeweza kukuweka juu ya mwamba kwa majuma mengi. Ni Anna tu, "
    "aliyekuwa na miaka kumi na tisa na hakuwahi kuogopa maji, aliyemwomba mkuu wa bandari ufunguo, naye akampa bila neno lolote.",
  ],
)
def test_other_languages_pass(step, text):
  row = document(text)
  assert run(step, row)[0] is row


def brute(words, n):
  """Gopher's duplicate n-grams, character by character."""
  covered, seen = set(), set()
  for i in range(len(words) - n + 1):
    gram = tuple(words[i : i + n])
    if gram in seen:
      covered |= set(range(i, i + n))
    seen.add(gram)
  return sum(len(words[i]) for i in covered) / sum(map(len, words))


@pytest.mark.parametrize("seed", range(5))
def test_duplicate_ngrams_as_by_hand(seed):
  draw = random.Random(seed)
  words = [draw.choice(["a", "bb", "ccc", "dddd"]) for _ in range(draw.randrange(12, 80))]
  for n in (2, 3, 5, 10):
    assert Grams(words).duplicate(n) == pytest.approx(brute(words, n))


def test_top_ngram_and_repeated_lines():
  assert Grams("a b a b c".split()).top(2) == pytest.approx(4 / 5)
  assert Grams("a b c d".split()).top(2) == 0
  assert Grams(["a"]).top(2) == Grams(["a"]).duplicate(5) == 0
  assert repeated(["xx", "y", "xx"]) == (pytest.approx(1 / 3), pytest.approx(2 / 5))


def test_switched_off(config):
  config.quality.enabled = False
  assert quality.make(config.quality) is None


def test_demo_answers_are_kept(step, alpaca, e2e):
  for rows in (alpaca, e2e):
    assert not [r for r in rows if isinstance(run(step, r)[0], Drop)]


def test_demo_pages_are_mostly_kept(step, c4):
  dropped = [r for r in c4 if isinstance(run(step, r)[0], Drop)]
  assert 1 <= len(dropped) <= 0.05 * len(c4)
