"""Scores beside their floor, and warnings of limits that are too short."""

from types import SimpleNamespace

import pytest
import sacrebleu
from rich.console import Console

from ftjax.evaluate.cautions import cut_rows, no_gain, too_short
from ftjax.evaluate.floor import floors, other_texts
from ftjax.evaluate.outputs import Asked
from ftjax.evaluate.table import columns, rows, scores_table
from ftjax.generate.generator import Completion
from tests.text.conftest import make

ASKED = Asked(
  [f"name: Thing {i} | price: £{i}" for i in range(9)],
  [[f"Thing {i} costs {i}.", f"Only £{i}: Thing {i}!"] for i in range(9)],
)


def test_every_prompt_is_answered_by_the_reference_of_another():
  texts = other_texts(ASKED)
  assert len(texts) == 9 and texts == other_texts(ASKED) != other_texts(ASKED, seed=1)
  for text, own in zip(texts, ASKED.references, strict=True):
    assert text not in own and any(text in some for some in ASKED.references)
  assert other_texts(Asked(["a"], [["b"]])) == other_texts(Asked(["a", "c"], [["b"], []])) == []


def test_floors_are_what_those_texts_score():
  found = floors(ASKED, ["bleu", "facts", "ending", "diversity"])
  streams = [[r[k] for r in ASKED.references] for k in range(2)]
  assert found["bleu"] == pytest.approx(sacrebleu.corpus_bleu(other_texts(ASKED), streams).score)
  assert found["facts/stated"] == 0 and found["facts/invented"] == 1
  assert "finished" not in found and "distinct_1" not in found  # They compare with no prompt.
  assert floors(Asked(["a"], [["b"]]), ["bleu"]) == {}


SCORES = {
  "floor": {"bleu": 25.0, "facts/stated": 0.04, "facts/stated/[b]": 0.04},
  "base": {"loss": 8.25, "bleu": 0.5, "facts/stated": 0.0, "facts/stated/[b]": 0.0},
  "tuned": {"loss": 0.5, "bleu": 29.5, "facts/stated": 0.9, "facts/stated/[b]": 0.9},
}


def test_the_gain_over_the_floor_stands_beside_it():
  assert columns(SCORES) == ["floor", "base", "tuned", "over floor"]
  assert {r.label: r.cells for r in rows(SCORES)} == {
    "validation loss": ["-", "8.2500", "0.5000", ""],
    "BLEU": ["25.0", "0.5", "29.5", "+4.5"],
    "facts stated": ["4%", "0%", "90%", "+86%"],
    "  [b]": ["4%", "0%", "90%", "+86%"],
  }
  console = Console(record=True, width=80)
  console.print(scores_table(SCORES, "[b]title", ["[/b] is short"]))
  shown = console.export_text()
  assert "[b]title" in shown and "  [b]" in shown and "warning: [/b] is short" in shown
  assert "floor: what the references of other prompts score" in shown


def test_without_a_floor_there_is_no_gain():
  assert columns({"base": {"loss": 1.0}, "tuned": {"loss": 0.5}}) == ["base", "tuned"]
  assert columns({"floor": {"bleu": 1.0}, "tuned": {}}) == ["floor"]


def test_a_limit_below_the_references_is_named_with_the_value_to_set():
  tokenizer = make()
  prompts = [{"references": ["x " * 40]}, {"references": ["y"]}]
  needed = len(tokenizer("x " * 40, add_special_tokens=False).input_ids) + 1
  texts = [Completion("x", (), "length"), Completion("y", (), "stop")]
  (warning,) = too_short(tokenizer, prompts, texts, 8, "eval.max_new_tokens")
  assert "50% of the tuned model's texts were cut at eval.max_new_tokens=8" in warning
  assert "50% of the references are longer" in warning
  value = int(warning.rsplit("=", 1)[1].rstrip("."))
  assert needed <= value < needed + 16
  assert too_short(tokenizer, prompts, texts[1:], 8, "x") == []  # Nothing was cut.
  assert too_short(tokenizer, prompts, texts, needed, "x") == []  # The references have room.


def test_scores_that_are_not_above_the_floor_are_named():
  assert no_gain(SCORES) == no_gain({"tuned": {"bleu": 1.0}}) == no_gain({"tuned": {}}) == []
  (warning,) = no_gain(
    {"floor": {"bleu": 25.0, "chrf": 30.0}, "tuned": {"bleu": 0.4, "chrf": 30.0}}
  )
  assert "no higher than the references of other prompts" in warning
  assert "optim.learning_rate" in warning


def test_rows_that_lost_their_end_are_named_with_the_key_to_raise():
  report = SimpleNamespace(
    cut=0.395, max_length=64, full=False, lengths={"99%": 90, "longest": 120}
  )
  (warning,) = cut_rows(report)
  assert warning.startswith("39.5% of the rows lost their end to data.max_length=64")
  assert "data.max_length=120" in warning and "90 for 99%" in warning
  report.full = True
  (warning,) = cut_rows(report)
  assert "the model's 64 positions" in warning and "data.overlong=drop" in warning
  assert "data.max_length" not in warning
  assert cut_rows(SimpleNamespace(cut=0.0)) == []
