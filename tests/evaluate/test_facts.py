"""Facts of a brief, stated and made up."""

import pytest

from ftjax.evaluate.briefs import Briefs
from ftjax.evaluate.fields import fields
from ftjax.evaluate.metrics import facts
from ftjax.evaluate.outputs import Asked
from ftjax.evaluate.words import words
from ftjax.generate.generator import Completion


@pytest.mark.parametrize(
  "prompt, expected",
  [
    ("product: Otter kettle | price: £30", {"product": ["Otter kettle"], "price": ["£30"]}),
    ("product = Otter; price = 4", {"product": ["Otter"], "price": ["4"]}),
    ("Write an ad.\n- **Name**: The Eagle\n- Price: $8.95.", {"name": ["The Eagle"], "price": ["$8.95"]}),
    ("name: A, has: b, c and d, price: 3", {"name": ["A"], "has": ["b, c and d"], "price": ["3"]}),
    ("name[The Eagle], food[French], familyFriendly[yes]", {"name": ["The Eagle"], "food": ["French"]}),
    ('{"name": "A", "tags": ["x", "y"], "size": {"cm": 3.5}, "new": true}',
     {"name": ["A"], "tags": ["x", "y"], "size.cm": ["3.5"]}),
    ('Copy for {"name": "Otter"}, please', {"name": ["Otter"]}),
    ("Note: write this; then that", {}),
    ("See http://a.b/c at 10:30 and [this](http://a.b)", {}),
    ("商品：やかん｜価格：30円", {"商品": ["やかん"], "価格": ["30円"]}),
    ("", {}),
    ('{"a": ' * 5000 + "1" + "}" * 5000, {}),
    ("{" * 9 + '{"a": 1}', {"a": ["1"]}),
  ],
)  # fmt: skip
def test_fields_in_the_common_notations(prompt, expected):
  assert fields(prompt) == expected


def stated(value: str, text: str) -> bool:
  prompt = f"x: {value} | name: unsaid"
  return Briefs(Asked([prompt], [[]])).stated(0, text)[0].span is not None


@pytest.mark.parametrize(
  "value, text, expected",
  [
    ("Otter Kettle", "the OTTER\n kettle's lid", True),
    ("Otter", "Otters swim", False),
    ("a simmer dial", "its simmer-dial", True),
    ("£83", "83 pounds", True),
    ("£83", "£830 or 1.83", False),
    ("$8.95", "for 8,95 €", True),
    ("1,000", "1000.0", True),
    ("room for six cups", "Room for 6 cups", True),
    ("light, strong and small", "small, strong, light", True),
    ("light and strong", "light", False),
    ("2024-06-02", "on 2 June 2024", True),
    ("2024-06-02", "on 3 June 2024", False),
    ("陶器", "この陶器は", True),
  ],
)
def test_a_value_is_found_as_people_write_it(value, text, expected):
  assert stated(value, text) is expected


def test_the_place_of_a_value_is_that_of_its_characters():
  briefs = Briefs(Asked(["name: Café Noir | price: £5"], [[]]))
  text = "At the café  noir: £5.00!"
  assert [text[slice(*f.span)] for f in briefs.stated(0, text)] == ["café  noir", "5.00"]


PROMPTS = [
  "product: Otter kettle | price: £30 | feature: a wide lid | tone: calm",
  "product: Fox lamp | price: £12 | feature: two bulbs | tone: loud",
]
REFERENCES = [["Otter kettle, a wide lid, £30."], ["The Fox lamp: two bulbs for £12."]]


def score(*texts: str) -> dict[str, float]:
  completions = [Completion(t, (), "stop") for t in texts]
  return facts.result(facts.update(Asked(PROMPTS, REFERENCES), completions))


def test_shares_by_field_and_an_instruction_counts_in_its_own_alone():
  assert score("An Otter kettle with two bulbs for £31.", "Fox lamp, £12, two bulbs, loud.") == {
    "facts/stated": pytest.approx(4 / 6),
    "facts/stated/product": 1.0, "facts/stated/price": 0.5, "facts/stated/feature": 0.5,
    "facts/instruction/tone": 0.5, "facts/invented": 0.5, "facts/texts": 2,
  }  # fmt: skip


def test_what_is_made_up_is_named():
  briefs = Briefs(Asked(PROMPTS, REFERENCES))
  found = briefs.invented(0, "Fox lamp, £31 since 4 May, one wide lid, calm or loud.")
  assert sorted((f.field, f.value) for f in found) == [
    ("numbers", "31"), ("numbers", "4"), ("numbers", "May"), ("product", "Fox lamp"),
  ]  # fmt: skip
  assert not briefs.invented(1, REFERENCES[1][0])


def test_prompts_without_fields_have_no_figures():
  asked = Asked(["Write something.", ""], [["a"], ["b"]])
  assert facts.result(facts.update(asked, [Completion("a 5", (), "stop")] * 2)) == {}


def test_a_number_of_the_references_is_not_made_up():
  assert not Briefs(Asked(PROMPTS, [["£30, since 1871"], []])).invented(0, "since 1871")


def test_words_compare_numbers_as_numbers():
  keys = lambda text: [w.key for w in words(text)]
  assert keys("1.000.000 and 007") == ["1000000", "and", "7"]
  assert keys("12.05.2024 & 8GB X200") == ["12", "5", "2024", "and", "8", "gb", "x200"]
