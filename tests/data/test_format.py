"""Rows of every format as messages, text or ids; what fits none is an error that lists what is
there."""

import pytest

from ftjax.config import InputError
from ftjax.data.format import (
  FIELDS,
  check_format,
  detect,
  parse_fields,
  to_messages,
  to_text,
  to_tokens,
)
from ftjax.data.record import Record


def chat(*contents):
  roles = ["system", "user", "assistant"] if len(contents) == 3 else ["user", "assistant"] * 2
  return [{"role": r, "content": c} for r, c in zip(roles, contents, strict=False)]


SHAREGPT = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
CASES = [
  ("prompt_completion", {"prompt": "q", "completion": "a"}, chat("q", "a")),
  ("prompt_completion", {"prompt": b"q", "completion": "\u00fc".encode()}, chat("q", "ü")),
  ("prompt_completion", {"prompt": chat("q"), "completion": chat("x", "a")[1:]}, chat("q", "a")),
  ("prompt_completion", {"prompt": "q", "completion": "a", "system": "s"}, chat("s", "q", "a")),
  ("prompt_completion", {"prompt": "q", "completion": "a", "system": None}, chat("q", "a")),
  ("alpaca", {"instruction": "q", "output": "a"}, chat("q", "a")),
  ("alpaca", {"instruction": "q", "input": "", "output": "a"}, chat("q", "a")),
  ("alpaca", {"instruction": "q", "input": "more", "output": "a"}, chat("q\n\nmore", "a")),
  ("alpaca", {"instruction": "q", "output": "a", "history": [["p", "o"]]}, chat("p", "o", "q", "a")),
  ("sharegpt", {"conversations": SHAREGPT}, chat("q", "a")),
  ("sharegpt", {"conversations": SHAREGPT, "system": "s"}, chat("s", "q", "a")),
  ("sharegpt", {"conversations": [{"from": "system", "value": "s"}, *SHAREGPT]}, chat("s", "q", "a")),
  ("messages", {"messages": chat("q", "a", "r", "b")}, chat("q", "a", "r", "b")),
  ("messages", {"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, *chat("q", "a")[1:]]},
   chat("q", "a")),
]  # fmt: skip


@pytest.mark.parametrize(("format", "row", "messages"), CASES)
def test_every_format_becomes_messages(format, row, messages):
  record = Record(row, "f:1")
  assert detect([record]) == format
  assert to_messages(record, format) == messages


@pytest.mark.parametrize(
  "fields", [{"prompt": "mr", "completion": "ref", "text": ""}, "prompt=mr, completion=ref"]
)
def test_fields_name_the_users_columns(fields):
  record = Record({"mr": "q", "ref": "a", "text": "not this"}, "f:1")
  named = parse_fields(fields)
  assert named == {"prompt": "mr", "completion": "ref"}
  assert detect([record], fields) == "prompt_completion"
  assert to_messages(record, "prompt_completion", named) == chat("q", "a")


def test_preference_rows_are_refused_unless_their_columns_are_named():
  row = Record(
    {"conversations": SHAREGPT[:1], "chosen": SHAREGPT[1], "rejected": SHAREGPT[1]}, "f:1"
  )
  with pytest.raises(InputError, match="f:1: this is a preference pair.*fields.prompt=conversations "):
    detect([row])
  with pytest.raises(InputError, match="f:1: this is a preference pair"):
    detect([row], {"system": "s"})
  named = {"prompt": "conversations", "completion": "chosen"}
  assert to_messages(row, detect([row], named), named) == chat("q", "a")


def test_text_is_taken_as_it_is():
  record = Record({"text": b" One.\n", "meta": 1}, "f:1")
  assert detect([record]) == "text"
  assert to_text(record) == " One.\n"


def test_tokens_keep_their_labels():
  record = Record(
    {"input_ids": [5, 6, 7], "labels": [5, -100, 7], "attention_mask": [1, 1, 1]}, "f:1"
  )
  assert detect([record]) == "tokens"
  ids, trained = to_tokens(record)
  assert (ids.tolist(), ids.dtype) == ([5, 6, 7], "int32")
  assert trained.tolist() == [False, False, True]  # The first is no target, whatever its label.


def test_tokens_without_labels_are_all_trained_and_padding_is_left_out():
  padded = Record({"input_ids": [5, 6, 7, 0, 0], "attention_mask": [1, 1, 1, 0, 0]}, "f:1")
  ids, trained = to_tokens(padded)
  assert (ids.tolist(), trained.tolist()) == ([5, 6, 7], [False, True, True])


@pytest.mark.parametrize(
  ("row", "fields", "match"),
  [
    ({"mr": 1, "ref": 2}, {}, r"f:1: the columns 'mr', 'ref' fit no format. Known: .*alpaca \(instruction, output\)"),
    ({"mr": 1, "ref": 2}, {"prompt": "mr"}, r"f:1: no column 'completion' for format prompt_completion.*'mr', 'ref'"),
    ({"mr": 1, "ref": 2}, {"prompt": "mrr", "completion": "ref"}, r"no column 'mrr'.*Did you mean 'mr'"),
    ({"text": ""}, {"promt": "mr"}, r"data.fields.promt does not exist.*Did you mean 'prompt'"),
    ({"text": ""}, "mr", r"data.fields='mr' must read NAME=COLUMN"),
  ],
)  # fmt: skip
def test_columns_that_fit_no_format_are_an_error(row, fields, match):
  with pytest.raises(InputError, match=match):
    detect([Record(row, "f:1")], fields)


@pytest.mark.parametrize(
  ("format", "row", "match"),
  [
    ("alpaca", {"instruction": "q", "outptu": "a"}, "f:1: format alpaca needs 'output'.*Did you mean 'outptu'"),
    ("alpaca", {"instruction": "q", "output": None}, "f:1: format alpaca needs 'output', which this row lacks"),
    ("alpaca", {"instruction": "q", "output": " \n"}, "f:1: 'output': no trained token: the answer is empty"),
    ("alpaca", {"instruction": 7, "output": "a"}, "f:1: 'instruction' must be text, but is int 7"),
    ("alpaca", {"instruction": 0, "output": "a"}, "f:1: 'instruction' must be text, but is int 0"),
    ("alpaca", {"instruction": b"\xff", "output": "a"}, "f:1: 'instruction' is not UTF-8"),
    ("messages", {"messages": []}, "f:1: 'messages' must be a list of messages, but is list"),
    ("messages", {"messages": "hi"}, "f:1: 'messages' must be a list of messages, but is str 'hi'"),
    ("messages", {"messages": [{"role": "user"}]}, r"f:1: 'messages', message 1 \(user\): there is no 'content'"),
    ("messages", {"messages": ["hi"]}, "f:1: 'messages', message 1: a message must be .* but is str 'hi'"),
  ],
)  # fmt: skip
def test_a_bad_conversation_names_its_place(format, row, match):
  with pytest.raises(InputError, match=match):
    to_messages(Record(row, "f:1"), format)


@pytest.mark.parametrize(
  ("row", "match"),
  [
    ({"input_ids": [1, 2], "labels": [1]}, "labels' must be a list of at least two"),
    ({"input_ids": [1, 2], "labels": [1, 2, 3]}, "f:1: input_ids has 2 values and labels 3"),
    ({"input_ids": [1, 2], "attention_mask": [1, 1, 1]}, "f:1: input_ids has 2 values and attention_mask 3"),
    ({"input_ids": [1, 2], "labels": [1, 9]}, r"f:1: labels\[1\] = 9, but input_ids\[1\] = 2"),
    ({"input_ids": [1, 2], "labels": [1, -100]}, "f:1: no trained token"),
    ({"input_ids": [1, -2]}, "f:1: 'input_ids' holds -2 to 1; ids are 0 to"),
    ({"input_ids": [1, 2**31]}, "f:1: 'input_ids' holds 1 to 2147483648"),
    ({"input_ids": [1, 2.5]}, "f:1: 'input_ids' must be a list of at least two whole numbers"),
    ({"input_ids": "1 2"}, "f:1: 'input_ids' must be a list of at least two whole numbers, but is str"),
  ],
)  # fmt: skip
def test_bad_ids_name_their_place(row, match):
  with pytest.raises(InputError, match=match):
    to_tokens(Record(row, "f:1"))


def test_empty_text_and_missing_optional_columns_that_were_named_are_errors():
  with pytest.raises(InputError, match="f:1: no trained token: the text is empty"):
    to_text(Record({"text": "\n"}, "f:1"))
  with pytest.raises(InputError, match="f:1: format alpaca needs 'context'"):
    to_messages(Record({"instruction": "q", "output": "a"}, "f:1"), "alpaca", {"input": "context"})


def test_an_unknown_format_lists_the_known():
  with pytest.raises(InputError, match="data.format='alpacca'.*sharegpt.*Did you mean 'alpaca'"):
    check_format("alpacca")
  assert "prompt" in FIELDS


def test_the_weight_of_an_answer_is_kept_where_it_is_not_trained_on(record):
  ask, answer = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
  read = lambda weight: to_messages(record(messages=[ask, answer | {"weight": weight}]), "messages")
  assert read(0) == read(0.0) == [ask, answer | {"weight": 0}]
  assert read(1) == read(1.0) == read(None) == [ask, answer]
  with pytest.raises(
    InputError, match=r"f\.jsonl:3: .*message 2 \(assistant\): 'weight' must be 0 .* or 1, but is 0\.5"
  ):
    read(0.5)
