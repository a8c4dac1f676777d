"""Word lists: whole words of any script, phrases, and nothing of the words in the report."""

import pickle

import pytest

from ftjax.config import InputError
from ftjax.data.clean import words
from ftjax.data.clean.words import parse
from ftjax.data.example import Drop
from tests.data.clean.rows import chat, document, run


@pytest.fixture
def listed(config, tmp_path):
  """A function that makes the step of a list with these lines."""

  def make(lines, action="mask", **more):
    path = tmp_path / "policy.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    config.words.lists, config.words.listed = str(path), action
    config.words.update(more)
    return words.make(config.words)

  return make


def test_parse():
  text = "# a comment\nFree  Money\n\nfree money # again\nC#\n"
  assert parse(text) == ("free money", "c#")


@pytest.mark.parametrize(
  "entry, text, masked",
  [
    ("spam", "Spam, SPAM and spammers; antispam", "***, *** and spammers; antispam"),
    ("free money", "Free\n money, freemoney", "***, freemoney"),
    ("Ärger", "ärger und Verärgerung", "*** und Verärgerung"),
    ("c++", "C++ or C", "*** or C"),
    ("c", "C++ or C", "***++ or ***"),
    ("赌博", "网上赌博网站", "网上***网站"),
    ("казино", "Казино и казиношка", "*** и казиношка"),
    ("🖕", "hello 🖕 you", "hello *** you"),
    ("don't", "I DON'T know", "I *** know"),
  ],
)
def test_matches(listed, entry, text, masked):
  result, counts = run(listed([entry]), document(text))
  assert result.text == masked
  assert counts["policy.txt"] == masked.count("***")


def test_actions(listed):
  row = chat("say it", "Spam and eggs")
  assert run(listed(["spam"], "keep"), row)[0] is row
  drop, counts = run(listed(["spam"], "drop"), row)
  assert drop == Drop("policy.txt", "1 of the list's words") and counts["policy.txt"] == 1
  assert "spam" not in str((drop, counts)).lower()
  assert run(listed(["spam"]), row)[0].response == "*** and eggs"


def test_profanity(config):
  config.words.profanity = "mask"
  step = pickle.loads(pickle.dumps(words.make(config.words)))
  result, counts = run(step, document("Well, shit. Shitake and Scunthorpe cum laude, cockpit"))
  assert result.text.startswith("Well, ***. Shitake and Scunthorpe") and counts["profanity"] >= 1
  again, _ = run(step, result)
  assert again is result


def test_a_long_list_is_found_in_full(listed):
  entries = [f"word{i} tail" if i % 2 else f"word{i}" for i in range(5000)]
  step = listed(entries)
  text = " ".join(entries[::50])
  assert run(step, document(text))[1]["policy.txt"] == 100


def test_errors(config, tmp_path):
  config.words.lists = str(tmp_path / "none.txt")
  with pytest.raises(InputError, match="words.lists: .*none.txt.* cannot be read"):
    words.make(config.words)
  (tmp_path / "none.txt").write_text("# only a comment\n")
  with pytest.raises(InputError, match="has no words"):
    words.make(config.words)
  config.words.lists, config.words.profanity = "", "hash"
  with pytest.raises(InputError, match="words.profanity='hash'"):
    words.make(config.words)


def test_the_own_list_is_in_order():
  own = words.make({"profanity": "keep", "listed": "drop", "lists": ""}).lists[0].entries
  assert len(own) > 100 and len(set(own)) == len(own)
