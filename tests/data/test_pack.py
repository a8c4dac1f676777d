"""Packing holds every row once, never overflows, and wastes little."""

import math
import random

import pytest

from ftjax.data.pack import best_fit, in_order


def lengths(seed, n=600, top=97):
  rng = random.Random(seed)
  return [min(top, 1 + int(rng.expovariate(1 / 20))) for _ in range(n)]


@pytest.mark.parametrize("pack", [best_fit, in_order])
@pytest.mark.parametrize("seed", range(5))
def test_every_row_sits_in_one_bin_and_no_bin_overflows(pack, seed):
  sizes = lengths(seed)
  bins = pack(sizes, 97)
  assert sorted(i for b in bins for i in b) == list(range(len(sizes)))
  assert max(sum(sizes[i] for i in b) for b in bins) <= 97
  assert all(b == sorted(b) for b in bins) and bins == sorted(bins)


@pytest.mark.parametrize("seed", range(5))
def test_best_fit_is_near_the_fewest_bins(seed):
  sizes = lengths(seed)
  fewest = math.ceil(sum(sizes) / 97)
  assert fewest <= len(best_fit(sizes, 97)) <= 1.02 * fewest + 1  # Far inside 11/9 on such lengths.


def test_a_row_goes_into_the_fullest_bin_that_has_room():
  assert best_fit([8, 5, 2], 10) == [[0, 2], [1]]


def test_the_longest_rows_go_first():
  assert (
    len(best_fit([3, 3, 7, 7], 10)) == 2
  )  # As they come, the threes would share a bin: three bins.


def test_in_order_keeps_the_order_and_fills_to_the_brim():
  assert in_order([3, 5, 4, 5, 9], 9) == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("pack", [best_fit, in_order])
def test_a_row_longer_than_a_bin_is_an_error(pack):
  with pytest.raises(ValueError, match="row 1 takes 98 places, and a bin has 97"):
    pack([3, 98], 97)
  assert pack([], 97) == []
