"""The card's words: marked differences, numbers and licences as people read them."""

from ftjax.data.card import words
from ftjax.data.card.licences import hub_id, of_all
from ftjax.data.card.numbers import count, number, percent, seconds


def test_differing_words_are_marked_and_nothing_is_lost():
  left, right = words.difference("The old mill,  it burns.", "The new mill, it burns!")
  assert "".join(t for t, _ in left) == "The old mill,  it burns."
  assert "".join(t for t, _ in right) == "The new mill, it burns!"
  assert [t for t, differs in left if differs] == ["old", " ", "."]
  assert [t for t, differs in right if differs] == ["new", "!"]


def test_numbers_as_people_read_them():
  assert [number(x) for x in (0, 1234567, 0.12345, 12.0, 123.456, "a")] == ["0", "1,234,567", "0.123", "12", "123.5", "a"]  # fmt: skip
  assert [percent(x) for x in (0, 1e-9, 0.123, 0.99999, 1)] == [
    "0%",
    "<0.1%",
    "12.3%",
    ">99.9%",
    "100%",
  ]
  assert [seconds(x) for x in (3.21, 75, 4000)] == ["3.2 s", "1 min 15 s", "1 h 6 min"]
  assert [count(x, "row") for x in (1, 2000)] == ["1 row", "2,000 rows"]


def test_licences_as_the_hub_names_them():
  assert (
    hub_id("CC BY-SA 4.0")
    == hub_id("https://creativecommons.org/licenses/by-sa/4.0/")
    == "cc-by-sa-4.0"
  )
  assert hub_id("Apache License 2.0") == hub_id("apache-2.0") == "apache-2.0"
  assert [hub_id(x) for x in ("MIT", "The MIT License", "CC0", "mine", "")] == [
    "mit",
    "mit",
    "cc0-1.0",
    "",
    "",
  ]
  assert of_all(["MIT", "", "house rules"]) == ["mit", "other", "unknown"]
  assert of_all([]) == ["unknown"]


def test_what_two_excerpts_lack_because_they_are_cut_is_no_difference():
  left, right = words.difference("a cut wor...", "a cat wordy and...")
  assert [t for t, differs in left if differs] == ["cut"]
  assert [t for t, differs in right if differs] == ["cat"]
  assert "".join(t for t, _ in right) == "a cat wordy and..."
  left, _ = words.difference("the end is here...", "the end...")
  assert "".join(t for t, _ in left) == "the end is here..."
  left, _ = words.difference("a wor", "a word")
  assert [t for t, differs in left if differs] == ["wor"], "nothing is cut here"
