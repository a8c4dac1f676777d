"""Held-out rows: decided by the prompt alone."""

import pytest

from ftjax.config import InputError
from ftjax.data.split import keys, split

PROMPTS = [[{"role": "user", "content": f"prompt {i}"}] for i in range(2000)]


def held(prompts, fraction):
  return [prompts[i] for i in split(prompts, fraction)[1]]


def test_every_row_is_on_one_side_and_the_share_is_about_right():
  train, validation = split(PROMPTS, 0.1)
  assert sorted([*train, *validation]) == list(range(2000))
  assert 160 < len(validation) < 240


def test_one_prompts_rows_never_sit_on_both_sides():
  prompts = PROMPTS[:50] * 3
  train, validation = split(prompts, 0.3)
  assert not {prompts[i][0]["content"] for i in train} & {
    prompts[i][0]["content"] for i in validation
  }
  assert len(validation)


def test_growth_and_order_move_no_row():
  few, more = held(PROMPTS[:500], 0.1), held(PROMPTS, 0.1)
  assert few == more[: len(few)]
  assert held(PROMPTS[::-1], 0.1) == more[::-1]


def test_a_larger_share_only_adds_rows():
  small, large = split(PROMPTS, 0.05)[1], split(PROMPTS, 0.2)[1]
  assert set(small) < set(large)


def test_the_hash_is_the_same_on_every_machine():
  """Golden: another hash would move rows of data sets that were split before."""
  assert split(["a", b"b", "c", "d", "e", "f", "g", "h"], 0.5)[1].tolist() == [0, 2, 4, 5, 6, 7]


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.5])
def test_a_share_out_of_range_is_an_error(fraction):
  with pytest.raises(InputError, match="data.validation_fraction=.*at least 0 and below 1"):
    split(PROMPTS, fraction)


def test_no_share_holds_out_nothing():
  assert not len(split(PROMPTS, 0.0)[1])


def test_rows_are_told_apart_by_their_prompt_where_that_is_enough():
  prompts = [f"p{i // 3}" for i in range(90)]
  assert keys(prompts, [f"row {i}" for i in range(90)]) == (prompts, 0)


@pytest.mark.parametrize("prompt", [None, "the same", [{"role": "user", "content": "the same"}]])
def test_rows_without_a_prompt_of_their_own_are_told_apart_by_all_of_them(prompt):
  rows = [f"row {i}" for i in range(400)]
  found, whole = keys([prompt] * 400, rows)
  assert (found, whole) == (rows, 400)
  assert 5 <= len(split(found, 0.05)[1]) <= 40


def test_only_the_rows_that_share_a_prompt_are():
  prompts = ["same"] * 50 + [f"p{i}" for i in range(50)]
  found, whole = keys(prompts, [f"row {i}" for i in range(100)])
  assert found == [f"row {i}" for i in range(50)] + prompts[50:] and whole == 50
