"""From a config to rows: over-long rows, the split, the report, and the errors that name a row."""

import numpy as np
import pytest
from ml_collections import ConfigDict

from ftjax.config import InputError
from ftjax.data.encode import Fitted, Unit, fit
from ftjax.data.loader import bins, load
from ftjax.text.tokenizer import load_tokenizer
from tests.text.conftest import make


def pairs(n, long=()):
  """Prompts that recur three times each; the answers of rows in `long` are long."""
  return [
    {"prompt": f"p{i // 3}", "completion": f"c{i}" + "x" * (100 if i in long else 0)}
    for i in range(n)
  ]


def texts(rows, tok):
  return [tok.decode(rows.row(i)[0]) for i in range(len(rows))]


def test_prompt_completion_end_to_end(tok, jsonl):
  path = jsonl(pairs(300))
  data = load({"train": path, "validation_fraction": 0.2}, tok)
  both = texts(data.train, tok) + texts(data.validation, tok)
  assert sorted(both) == sorted(f"<s>{r['prompt']}\n{r['completion']}</s>" for r in pairs(300))
  assert data.format == "prompt_completion" and data.template.kind == "plain"
  ids, trained = data.train.row(0)
  assert tok.decode(ids[trained]) == "c0</s>"
  assert data.train.place(0) == f"{path}:1"
  assert 0 < len(data.validation) < 150
  assert not set(data.train.prompts) & set(data.validation.prompts)
  assert len(data.validation.references) == len(data.validation.prompts) == len(data.validation)
  assert data.validation.references[0] in texts(data.validation, tok)[0]


def test_a_config_dict_a_dict_and_an_object_say_the_same(tok, jsonl):
  keys = {"train": jsonl(pairs(30)), "max_length": 50, "fields": {"prompt": "", "completion": ""}}
  wants = load(keys, tok).train.digest()
  assert load(ConfigDict(keys), tok).train.digest() == wants
  assert load(type("Config", (), keys)(), tok).train.digest() == wants


def test_rows_stay_on_their_side_as_data_grows(tok, jsonl):
  few = load({"train": jsonl(pairs(90), "few.jsonl"), "validation_fraction": 0.2}, tok)
  more = load({"train": jsonl(pairs(300), "more.jsonl"), "validation_fraction": 0.2}, tok)
  assert set(texts(few.train, tok)) < set(texts(more.train, tok))
  assert set(texts(few.validation, tok)) < set(texts(more.validation, tok))


def test_a_validation_file_leaves_the_training_rows_whole(tok, jsonl):
  keys = {"train": jsonl(pairs(30)), "validation": jsonl(pairs(6), "v.jsonl")}
  data = load(keys, tok)
  assert (len(data.train), len(data.validation)) == (30, 6)
  assert data.validation.prompts[0] == "p0"


def test_the_separator_is_chosen_once_by_the_training_rows(tok, jsonl):
  train = jsonl([{"prompt": "a", "completion": " b"}])
  other = jsonl([{"prompt": "a", "completion": "b"}], "v.jsonl")
  data = load({"train": train, "validation": other}, tok)
  assert texts(data.train, tok) + texts(data.validation, tok) == ["<s>a b</s>", "<s>ab</s>"]
  data = load({"train": train, "separator": "->"}, tok)
  assert texts(data.train, tok) == ["<s>a-> b</s>"]


def test_rows_used_as_given_are_not_split(tok, jsonl):
  path = jsonl([{"input_ids": [i, i + 1, 7], "labels": [-100, i + 1, 7]} for i in range(2, 90)])
  data = load({"train": path, "shuffle": False, "pack": False}, None)
  assert [data.train.row(i)[0][0] for i in range(88)] == list(range(2, 90))
  assert not len(data.validation) and data.template is None
  assert any("data.shuffle=False" in note for note in data.report.notes)
  assert len(load({"train": path, "validation_fraction": 0.3}, None).validation)


def test_text_is_bos_text_eos_and_all_trained(tok, tmp_path):
  (tmp_path / "a.txt").write_text("Hi\n\nyou", "utf-8")
  data = load({"train": f"{tmp_path}/a.txt", "validation_fraction": 0}, tok)
  assert texts(data.train, tok) == ["<s>Hi\n\nyou</s>"]
  assert data.train.trained.tolist() == [False] + [True] * 8
  assert (data.format, data.template, data.train.prompts) == ("text", None, [])


def test_windows_of_a_long_text_train_every_target_once(tok, tmp_path):
  text = "".join(chr(0x61 + i % 26) for i in range(777))
  (tmp_path / "a.txt").write_text(text)
  data = load({"train": f"{tmp_path}/a.txt", "max_length": 20, "validation_fraction": 0.0}, tok)
  assert data.train.lengths.max() == 20
  trained = [tok.decode(ids[mask]) for ids, mask in map(data.train.row, range(len(data.train)))]
  assert "".join(trained) == text + "</s>"
  assert data.train.place(2) == f"{tmp_path}/a.txt (window 3)"


def test_a_book_is_validated_on_by_windows_and_an_article_stays_whole(tok, tmp_path, jsonl):
  (tmp_path / "book.txt").write_text("".join(chr(0x61 + i * i % 26) for i in range(5000)))
  book = load({"train": f"{tmp_path}/book.txt", "max_length": 20, "validation_fraction": 0.2}, tok)
  assert len(book.train) and len(book.validation)
  path = jsonl([{"text": f"{i} " + "x" * 50} for i in range(200)])
  articles = load({"train": path, "max_length": 20, "validation_fraction": 0.2}, tok)
  lines = lambda rows: {place.split(" ")[0] for place in rows.places}
  assert lines(articles.train).isdisjoint(lines(articles.validation))
  assert len(lines(articles.train) | lines(articles.validation)) == 200


@pytest.mark.parametrize(("how", "count"), [("truncate", 4), ("drop", 3), ("split", 9)])
def test_over_long_rows(tok, jsonl, how, count):
  keys = {"train": jsonl(pairs(4, long=[2])), "max_length": 20, "validation_fraction": 0}
  data = load({**keys, "overlong": how}, tok)
  assert len(data.train) == count and data.train.lengths.max() <= 20
  f = data.report.fitted
  assert (f.truncated, f.dropped, f.split) == tuple(how == h for h in ("truncate", "drop", "split"))
  assert data.report.lengths["longest"] == 107 and len(data.train.prompts) == 4 - (how == "drop")


@pytest.mark.parametrize("n", range(2, 60))
def test_split_windows_cover_each_target_once_whatever_the_length(n):
  rng = np.random.default_rng(n)
  trained = rng.random(n) < 0.4
  trained[0], trained[-1] = False, True
  unit = Unit(np.arange(n, dtype=np.int32), trained, "f:1", "key", 0)
  windows = fit(unit, Fitted(7, "split"))
  kept = np.concatenate([w.ids[w.trained] for w in windows])
  np.testing.assert_array_equal(kept, np.flatnonzero(trained))
  assert all(2 <= len(w.ids) <= 7 and not w.trained[0] for w in windows)


def test_a_model_with_fewer_positions_caps_the_length(tok, jsonl):
  data = load({"train": jsonl(pairs(4, long=[2]))}, tok, model_max_length=30)
  assert data.max_length == 30 == data.train.lengths.max()
  assert "the model has no more positions" in data.report.notes[0]


@pytest.mark.parametrize(
  ("keys", "match"),
  [
    ({"max_length": 6, "overlong": "truncate"}, r"rows\.jsonl:1: no trained token is left.*prompt alone has 12"),
    ({"max_length": 6, "overlong": "error"}, r"rows\.jsonl:1: 18 tokens, but data.max_length is 6"),
    ({"max_length": 6, "overlong": "drop"}, "No row is left to train on: of 1, 1 were dropped"),
    ({"overlong": "cut"}, "data.overlong='cut' is not known"),
    ({"max_length": 1}, "data.max_length=1 must be at least 2"),
    ({"validation_fraction": 1.0}, "data.validation_fraction=1.0 must be"),
    ({"validation_fraction": 0.9999999}, "No row is left to train on: of 1.*1 windows or rows fell to validation"),
    ({"format": "alpacca"}, "data.format='alpacca' is not known"),
    ({"format": "text"}, r"rows\.jsonl:1: format text needs 'text'"),
    ({"packed": True}, r"data.packed does not exist. Did you mean 'pack'"),
    ({"validation": "/no.jsonl"}, "No file at '/no.jsonl'"),
    ({"train": ""}, "data.train is empty"),
  ],
)  # fmt: skip
def test_bad_input_is_one_clear_error(tok, jsonl, keys, match):
  path = jsonl([{"prompt": "0123456789", "completion": "abcde"}])
  with pytest.raises(InputError, match=match):
    load({"train": path, **keys}, tok)


def test_ids_that_the_model_does_not_know_are_an_error(tok, jsonl):
  path = jsonl([{"input_ids": [1, 2]}, {"input_ids": [1, 300]}])
  with pytest.raises(InputError, match=r"rows\.jsonl:2: token id 300, .* below 300"):
    load({"train": path, "validation_fraction": 0}, None, vocab_size=300)
  with pytest.raises(InputError, match="has no tokenizer to encode them with.*data.format=tokens"):
    load({"train": jsonl(pairs(2))}, None)


def test_no_validation_row_is_said(tok, jsonl):
  data = load({"train": jsonl(pairs(3)), "validation_fraction": 1e-9}, tok)
  assert not len(data.validation)
  assert "no validation: none of the rows" in data.report.notes[0]
  assert "--config.data.validation_fraction=0.2" in data.report.notes[0]


@pytest.mark.parametrize("rows, fraction, said", [(60, 0.1, True), (60, 0.2, False)])
def test_few_validation_rows_are_said(tok, jsonl, rows, fraction, said):
  data = load({"train": jsonl(pairs(rows)), "validation_fraction": fraction}, tok)
  assert len(data.validation)
  found = [n for n in data.report.notes if "scores of so few" in n]
  assert bool(found) == said and all("validation_fraction=0.2" in n for n in found)


def test_the_report_shows_what_is_trained_on(tok, jsonl):
  data = load(
    {"train": jsonl(pairs(100, long=[5])), "max_length": 40, "validation_fraction": 0}, tok
  )
  text = "\n".join(data.report.lines())
  assert "prompt_completion (detected); plain, separator '\\n'" in text
  assert "100 read; 100 to train on, 0 for validation" in text
  assert "1 of 100 rows (1.0%) are longer, and truncated" in text
  assert "longest 107" in text
  assert text.endswith("<s>p0\n⟦c0</s>⟧")
  packed = bins(data.train, 40, pack=True)
  assert data.report.fill["packed"] == data.train.places_taken.sum() / (len(packed) * 40)
  assert data.report.fill["packed"] > 0.9 > data.report.fill["unpacked"]
  marked = "\n".join(data.report.lines(markup=True))
  assert marked.endswith("[bold green]c0</s>[/]")


def test_markup_in_the_data_is_shown_and_not_obeyed(tok, jsonl):
  from rich.text import Text

  path = jsonl([{"prompt": "[bold]a", "completion": "b[/] \\"}])
  lines = load({"train": path, "validation_fraction": 0}, tok).report.lines(markup=True)
  shown = Text.from_markup("\n".join(lines)).plain
  assert "<s>[bold]a\nb[/] \\</s>" in shown


def test_a_token_across_the_end_of_the_prompt_is_reported(shared, jsonl):
  tok = load_tokenizer(shared / "models" / "stories260K")
  rows = [{"prompt": "Once upon a ", "completion": "time there was a dog."}] * 4
  data = load({"train": jsonl(rows), "validation_fraction": 0}, tok)
  assert "in 4 of the first 4 rows a token spans" in data.report.notes[0]
  data = load({"train": jsonl(rows), "validation_fraction": 0, "separator": "\n"}, tok)
  assert not data.report.notes


@pytest.mark.parametrize(
  ("name", "keys", "format", "rows"),
  [
    ("e2e_devset.csv", {"fields": "prompt=mr,completion=ref"}, "prompt_completion", 4672),
    ("alpaca_en_demo.json", {}, "alpaca", 999),
    ("c4_demo.jsonl", {}, "text", 300),
    ("tinyshakespeare.txt", {}, "text", 1),
  ],
)
def test_the_real_files(shared, name, keys, format, rows):
  tok = load_tokenizer(shared / "models" / "stories260K")
  data = load({"train": str(shared / "data" / name), **keys}, tok, model_max_length=512)
  assert (data.format, data.report.records) == (format, rows)
  assert len(data.train) and len(data.validation)
  assert data.train.ids.max() < 512 and data.train.lengths.max() <= 512
  assert data.report.fill["packed"] > 0.95


def test_the_real_preference_pairs_are_refused(shared):
  tok = load_tokenizer(shared / "models" / "stories260K")
  with pytest.raises(InputError, match="dpo_en_demo.json row 1: this is a preference pair"):
    load({"train": str(shared / "data" / "dpo_en_demo.json")}, tok)


@pytest.mark.parametrize(
  "row",
  [
    lambda i: {"prompt": "Describe it.", "completion": f"Text {i}."},
    lambda i: {"prompt": "", "completion": f"Text {i}."},
    lambda i: {"messages": [{"role": "assistant", "content": f"Text {i}."}]},
    lambda i: {"input_ids": [5, 6, i + 7], "labels": [-100, -100, i + 7]},
  ],
)
def test_rows_whose_prompts_do_not_tell_them_apart_are_held_out_all_the_same(tok, jsonl, row):
  data = load({"train": jsonl([row(i) for i in range(400)])}, tok)
  assert 5 <= len(data.validation) <= 40 and len(data.train) + len(data.validation) == 400
  assert any("400 rows have no prompt of their own" in note for note in data.report.notes)


def test_answers_in_the_prompt_are_not_trained_on(tok, jsonl):
  turn = lambda role, content: {"role": role, "content": content}
  row = {
    "prompt": [turn("user", "a"), turn("assistant", "b"), turn("user", "c")],
    "completion": [turn("assistant", "d")],
  }
  keys = {"validation_fraction": 0}
  train = load({"train": jsonl([row])} | keys, tok).train
  assert tok.decode(train.ids[train.trained]) == "d</s>"
  train = load(
    {"train": jsonl([{"messages": row["prompt"] + row["completion"]}])} | keys, tok
  ).train
  assert tok.decode(train.ids[train.trained]) == "b</s>d</s>"


def test_rows_that_lose_their_end_are_a_warning_with_the_key(tok, jsonl):
  keys = {"train": jsonl(pairs(50, long=range(10))), "max_length": 40, "validation_fraction": 0}
  report = load(keys, tok).report
  assert report.cut == 0.2
  assert any(
    line.startswith("WARNING     20.0% of the rows lose their end") and "data.max_length (to 107" in line
    for line in report.lines()
  )  # fmt: skip
  assert load(keys | {"overlong": "drop"}, tok).report.cut == 0
  lines = load(keys | {"max_length": 99}, tok, model_max_length=40).report.lines()
  (warning,) = [line for line in lines if line.startswith("WARNING")]
  assert "raise data.max_length" not in warning and "a model with more positions" in warning


def test_a_prompt_for_judging_is_that_of_the_last_answer_in_words(jsonl):
  call = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}
  ask, told = (
    {"role": "user", "content": "q"},
    {"role": "assistant", "content": "<think>hm</think>a"},
  )
  again = told | {"content": "b", "weight": 0}
  template = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}{% for c in m.tool_calls or [] %}{{ c | tojson }}"
    "{% endfor %}</s>{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
  )
  rows = [
    {"messages": m} for m in ([ask, told], [ask, told, ask, call], [ask, told, again], [ask, call])
  ]
  train = load({"train": jsonl(rows), "validation_fraction": 0}, make(template)).train
  assert (train.prompts, train.references) == (["q"] * 3, ["a"] * 3)


THINKS = (
  "{% for m in messages %}{{ m.role }}: {% if loop.last and m.role == 'assistant' %}<think></think>{% endif %}"
  "{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)


def test_a_conversation_that_becomes_several_rows_is_told_and_stays_on_one_side(jsonl):
  turns = lambda i: [
    {"role": role, "content": f"{n}{i}"} for n in "ab" for role in ("user", "assistant")
  ]
  path = jsonl([{"messages": turns(i)} for i in range(200)])
  data = load({"train": path, "validation_fraction": 0.2}, make(THINKS))
  assert len(data.train) + len(data.validation) == 400
  assert not set(data.train.places) & set(data.validation.places)
  assert any("200 conversations became a row for each" in note for note in data.report.notes)
  assert "rows        200 read" in "\n".join(data.report.lines())
  assert len(data.train.prompts) + len(data.validation.prompts) == 200
