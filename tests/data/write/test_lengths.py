"""Histograms of lengths: addition, accuracy, and that no row is lost; tokens as training counts them."""

import pickle

import numpy as np
import pytest

from ftjax.data import prepare
from ftjax.data.example import Example
from ftjax.data.lengths import PERCENTILES, Lengths
from ftjax.data.tokens import TokenCounter

SAMPLES = {
  "wide": np.random.default_rng(0).lognormal(5, 1.5, 5003).astype(int).tolist(),
  "small": [0, 0, 1, 2, 3, 3, 7],
  "one": [127],
  "none": [],
  "alike": [57, 57, 60, 63, 63, 71, 77],
  "long and alike": [5000, 5001, 5100, 5300],
  "edges": [1, 2, 3, 4, 6, 8, 12, 128, 192, 2**20, 2**20 - 1],
}


def counted(lengths):
  out = Lengths()
  out.update(lengths)
  return out


@pytest.mark.parametrize("name", SAMPLES)
def test_every_row_is_counted_once_and_where_it_belongs(name):
  lengths = SAMPLES[name]
  found = counted(lengths).result()
  edges, counts = found["edges"], found["counts"]
  assert counts == np.histogram(lengths, [*edges[:-1], edges[-1] - 0.5])[0].tolist()
  assert sum(counts) == len(lengths) == found["rows"] and found["total"] == sum(lengths)
  assert found["percentiles"]["max"] == max(lengths, default=0)


@pytest.mark.parametrize("name", ["wide", "small", "one", "alike", "long and alike", "edges"])
def test_percentiles_are_within_two_percent(name):
  lengths = SAMPLES[name]
  found = counted(lengths).result()["percentiles"]
  for p in PERCENTILES:
    true = np.percentile(lengths, p, method="inverted_cdf")
    assert 0.98 * true <= found[f"p{p}"] <= true


def test_rows_much_alike_have_several_bars():
  for lengths in (SAMPLES["alike"], SAMPLES["long and alike"], range(132, 198)):
    edges = counted(lengths).result()["edges"]
    assert 4 <= len(edges) <= 17 and len(set(np.diff(edges))) == 1
  assert counted(range(1, 3000)).result()["edges"][:6] == [1, 2, 3, 4, 6, 8]


def test_halves_add_to_the_whole_in_any_order():
  lengths = SAMPLES["wide"]
  for first, second in ((lengths[:1000], lengths[1000:]), (lengths[3:], lengths[:3])):
    sum_ = counted(first)
    sum_.merge(pickle.loads(pickle.dumps(counted(second))))
    assert sum_.result() == counted(lengths).result()


def test_what_is_held_does_not_grow_with_the_rows():
  assert len(counted(range(1_000_000 // 7)).bins) < 900


def test_tokens_are_those_of_training(jsonl):
  from ftjax.data.tokens import _STARTER
  from ftjax.text.tokenizer import load_tokenizer

  chats = [{"messages": [{"role": "user", "content": f"Brief {i}"}, {"role": "assistant", "content": "Copy " * i}]} for i in range(1, 6)]  # fmt: skip
  unsaid = {"role": "assistant", "content": "Never.", "weight": 0}
  chats[3]["messages"] = [chats[3]["messages"][0], unsaid, *chats[3]["messages"]]
  rows = prepare.load(
    {"train": jsonl(chats), "validation_fraction": 0.0}, load_tokenizer(_STARTER)
  ).train
  examples = [Example(messages=tuple(row["messages"])) for row in chats]
  counter = pickle.loads(pickle.dumps(TokenCounter("starter")))
  counts = counter([*examples[:2], Example(text="A document."), *examples[2:]])
  document = counts.pop(2)
  assert [c.tokens for c in counts] == rows.lengths.tolist()
  assert sum(c.trained for c in counts) == rows.trained_tokens
  assert 0 < document.trained < document.tokens
  assert len(pickle.dumps(counter)) < 1000, "the tokenizer is not sent along"
