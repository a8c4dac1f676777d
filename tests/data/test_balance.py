"""Counts by source, category, template and length; caps."""

import numpy as np
import pytest

from ftjax.data import balance
from ftjax.data.balance import Balance, template, thin
from ftjax.data.example import Example, Origin


def row(source="a", category="", text="one two three", prompt=""):
  origin = Origin(source=source)
  if not prompt:
    return Example(text=text, origin=origin, category=category)
  turns = ({"role": "user", "content": prompt}, {"role": "assistant", "content": text})
  return Example(messages=turns, origin=origin, category=category)


def count(rows) -> Balance:
  found = Balance()
  for example in rows:
    found.update(example)
  return found


ROWS = [row("a", "news", "w " * n) for n in (5, 60, 60)] + [row("b", "", "w " * 300)]


def test_shares_add_up():
  found = count(ROWS).result()
  assert found["source"] == {
    "a": {"rows": 3, "words": 125, "share": 0.75},
    "b": {"rows": 1, "words": 300, "share": 0.25},
  }
  assert list(found["category"]) == ["news", "(none)"]
  assert {name: x["rows"] for name, x in found["length"].items()} == {
    "0-9 words": 1, "50-199 words": 2, "200-499 words": 1,
  }  # fmt: skip


def test_merged_counts_are_those_of_all_rows():
  one, other = count(ROWS[:1]), count(ROWS[1:])
  one.merge(other)
  assert one.result() == count(ROWS).result() and (one.rows, one.words) == (4, 425)


def test_no_category_is_no_table():
  assert count([row(), row()]).result()["category"] == {}


@pytest.mark.parametrize(
  "one, other",
  [
    ("Write a note about Paris for May 3.", "Write a note about Rome City for May 14."),
    ('Translate "good day" to French', "Translate \u201cI am lost\u201d to German"),
    (
      "name[Alimentum], area[city centre], food[Thai]",
      "name[The Mill], area[riverside], food[Fast food]",
    ),
    ("Describe item 12-345.", "Describe item 7."),
  ],
)
def test_rows_that_a_program_filled_in_have_one_template(one, other):
  assert template(row(prompt=one)) == template(row(prompt=other))


def test_different_prompts_have_different_templates():
  prompts = ["Write a poem about the sea.", "List three uses of salt.", "Why is the sky blue?"]
  assert len({template(row(prompt=p)) for p in prompts}) == 3


def test_a_dominant_source_or_template_is_named():
  rows = [row("wiki", prompt=f"Write about item {i} now") for i in range(7)]
  rows += [row("blog", prompt=p) for p in ("Why is that?", "List some fruit.", "Who was it?")]
  source, form = count(rows).warnings(0.5)
  assert source.startswith("70% of the rows have the source 'wiki' (balance.max_share is 50%)")
  assert "template 'Write about item # now'" in form
  assert count(rows).warnings(0.8) == []


def test_the_only_source_is_no_news():
  rows = [row("wiki", text=f"{w} stands first") for w in ("this", "that", "other")]
  assert count(rows).warnings(0.5) == []


def test_frequent_templates_are_found_in_bounded_memory(monkeypatch):
  monkeypatch.setattr(balance, "_CAPACITY", 50)
  random = np.random.default_rng(0)
  rows = [
    row(prompt="common form" if random.random() < 0.3 else f"{'x' * (i % 997)} form")
    for i in range(4000)
  ]
  found = count(rows)
  kept = found.kinds["template"].rows
  true = sum(r.prompt == "common form" for r in rows)
  assert len(kept) <= 100 and true - 4000 / 50 <= kept["common form"] <= true


def test_a_cap_keeps_that_many_in_whatever_order():
  ids = [row(text=f"text {i}").id for i in range(100)]
  keep = thin(ids, 30)
  assert keep.sum() == 30
  moved = np.random.default_rng(0).permutation(100)
  np.testing.assert_array_equal(thin([ids[i] for i in moved], 30), keep[moved])


def test_growth_brings_no_row_back():
  ids = [row(text=f"text {i}").id for i in range(300)]
  few, more = thin(ids[:100], 30), thin(ids, 30)
  assert not (more[:100] & ~few).any() and more[100:].any()


@pytest.mark.parametrize("cap", [0, 5, 9])
def test_no_cap_or_a_high_one_keeps_all(cap):
  assert thin(["a", "b", "c", "d", "e"], cap).all()


def test_rows_without_a_category_are_no_category_that_dominates():
  rows = [row("a b", category="x" * (i == 0)) for i in range(10)]
  assert not [line for line in count(rows).warnings(0.5) if "category" in line]
