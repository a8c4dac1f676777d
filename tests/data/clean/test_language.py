"""Languages by sentence; short rows are not judged; a list keeps its own."""

from collections import Counter

import pytest

from ftjax.config import InputError
from ftjax.data.clean import language
from ftjax.data.clean.language import identify
from ftjax.data.example import Drop
from tests.data.clean.rows import chat, document, run

SENTENCES = {
  "en": "All human beings are born free and equal in dignity and rights.",
  "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
  "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
  "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
  "it": "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti.",
  "nl": "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren.",
  "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.",
  "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах.",
  "tr": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar.",
  "zh": "人人生而自由,在尊严和权利上一律平等。",
  "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
  "ar": "يولد جميع الناس أحراراً متساوين في الكرامة والحقوق.",
}  # The Universal Declaration of Human Rights, article 1.


@pytest.mark.parametrize("code", SENTENCES)
def test_sentences(code):
  found, probability = identify(SENTENCES[code])
  assert found == code and 0.5 < probability <= 1


def test_all_are_counted_and_kept(config):
  step = language.make(config.language)
  row = document(SENTENCES["de"])
  assert run(step, row) == (row, {"de": 1})
  assert run(step, document("Yes, sure."))[1] == {"short": 1}


def test_keep(config):
  config.language.keep = "en, fr"
  step = language.make(config.language)
  drop, counts = run(step, document(SENTENCES["de"]))
  assert drop.reason == "language" and drop.detail.startswith("de at ") and counts == {"de": 1}
  for code in ("en", "fr"):
    assert run(step, document(SENTENCES[code]))[1] == {code: 1}
  assert run(step, document("Ja, klar."))[1] == {"short": 1}
  assert run(step, document("7 * 8 = 56 " * 20))[1] == {"short": 1}


def test_a_short_answer_is_judged_with_its_prompt(config):
  config.language.keep = "en"
  step = language.make(config.language)
  assert run(step, chat(SENTENCES["en"], "Ja."))[1] == {"en": 1}
  assert run(step, chat(SENTENCES["de"], "OK."))[0].reason == "language"
  assert run(step, chat(SENTENCES["en"], SENTENCES["de"]))[0].reason == "language"


def test_unsure(config):
  config.language.keep, config.language.min_probability = "en", 1.1
  step = language.make(config.language)
  row = chat("Who?", SENTENCES["en"])
  assert run(step, row) == (row, {"unknown": 1})
  drop, _ = run(step, document(SENTENCES["en"]))
  assert isinstance(drop, Drop) and drop.reason == "unknown"


def test_unknown_code(config):
  config.language.keep = "english"
  with pytest.raises(InputError, match="'english' is not a language code.*en"):
    language.make(config.language)


def test_demo_is_english(config, alpaca):
  step = language.make(config.language)
  counts = sum((run(step, r)[1] for r in alpaca), Counter())
  assert counts["en"] >= 0.98 * len(alpaca)
