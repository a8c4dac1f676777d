"""One notion of a right row: what training takes, preparation takes, and checking calls no error."""

import json

import pytest

from ftjax.config import InputError
from ftjax.data.lint import check
from ftjax.data.lint.problem import ERROR
from ftjax.data.mapping import Plan, examples
from ftjax.data.prepare import load
from ftjax.data.record import Record
from tests.text.conftest import make

U, A = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
TOOL = {"role": "tool", "tool_call_id": "1", "content": "3"}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
TEMPLATE = (
  "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n"
  "{{ m.content }}{% for c in m.tool_calls or [] %}{{ c | tojson }}{% endfor %}<|im_end|>\n{% endfor %}"
  "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
chat = lambda *messages: {"messages": list(messages)}
weighed = lambda weight: chat(U, A | {"weight": weight})
human = lambda **answer: {"conversations": [{"from": "human", "value": "q"}, answer]}

RIGHT = {
  "messages": chat(U, A),
  "aliases": chat({"role": "human", "content": "q"}, {"role": "gpt", "content": "a"}),
  "mixed keys": chat({"role": "user", "value": "q"}, A),
  "spaces round what is left as it is": chat({"role": "user", "value": "q"}, A | {"content": " a "}),
  "developer": chat({"role": "developer", "content": "s"}, U, A),
  "assistant first": chat(A, U, A),
  "user last": chat(U, A, U),
  "empty user": chat(U | {"content": ""}, A),
  "weights": chat(U, A | {"weight": 0}, U, A | {"weight": 1.0}),
  "a weight in Boole's": chat(U, A | {"weight": False}, U, A),
  "a weight of 0 at the user": chat(U | {"weight": 0}, A),
  "parts": chat(U | {"content": [{"type": "text", "text": "q"}]}, A),
  "calls": chat(U, CALLS, TOOL, A) | {"tools": TOOLS},
  "calls as text": chat(U, CALLS | {"tool_calls": json.dumps([CALL])}, TOOL, A) | {"tools": json.dumps(TOOLS)},
  "calls beside text": chat(U, CALLS | {"content": "Let me look."}, TOOL, A),
  "a call at the end": chat(U, CALLS),
  "tools alone": chat(U, A) | {"tools": TOOLS, "parallel_tool_calls": False},
  "no tools": chat(U, A | {"tool_calls": []}) | {"tools": []},
  "half a character beside": chat(U, A) | {"note": "\ud83d"},
  "sharegpt": human(**{"from": "gpt", "value": "a"}),
  "sharegpt's call": {"conversations": [{"from": "human", "value": "q"}, {"from": "function_call", "value": '{"name": "f", "arguments": {}}'},
                                        {"from": "observation", "value": "3"}, {"from": "gpt", "value": "a"}]},
  "pairs": {"prompt": "q", "completion": "a"},
  "an empty prompt": {"prompt": "", "completion": "a"},
  "a prompt of messages": {"prompt": [U, A, U], "completion": [A]},
  "a completion with its prompt": {"prompt": "q", "completion": [U, A]},
  "alpaca": {"instruction": "q", "input": "", "output": "a", "history": [["q", "a"]]},
  "history of messages": {"instruction": "q", "output": "a", "history": [U, A]},
  "a class beside": {"prompt": "q", "completion": "a", "label": "news"},
  "text": {"text": "x"},
  "a text's class": {"text": "x", "label": True},
}  # fmt: skip
WRONG = {
  "null": chat(U, A | {"content": None}),
  "null at the user": chat(U | {"content": None}, A),
  "a number": chat(U | {"content": 7}, A),
  "a number for a prompt": {"prompt": 0, "completion": "a"},
  "an empty answer": chat(U, A | {"content": " "}),
  "an empty answer in the middle": chat(U, A | {"content": ""}, U, A),
  "an empty completion": {"prompt": "q", "completion": "\n"},
  "a null prompt": {"prompt": None, "completion": "a"},
  "no answer": chat(U),
  "an unknown role": chat({"role": "critic", "content": "q"}, A),
  "half a weight": weighed(0.5),
  "a weight in words": weighed("0"),
  "a weight below": weighed(-1),
  "no weight": weighed(0),
  "a user's weight": chat(U | {"weight": 1}, A),
  "an image": chat(U | {"content": [{"type": "image_url", "image_url": {}}]}, A),
  "a part without text": chat(U | {"content": [{"type": "text"}]}, A),
  "half a character": chat(U, A | {"content": "a \ud83d"}),
  "half a character in a text": {"text": "a \ud83d"},
  "a call without a name": chat(U, CALLS | {"tool_calls": [{"id": "1"}]}, A),
  "arguments that break off": chat(U, CALLS | {"tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}, A),
  "a user who calls": chat(U | {"tool_calls": [CALL]}, A),
  "tools without a name": chat(U, A) | {"tools": [{"type": "function"}]},
  "sharegpt's call in prose": human(**{"from": "function_call", "value": "call it"}),
  "another conversation": {"prompt": "other", "completion": [U, A]},
  "history of one": {"instruction": "q", "output": "a", "history": [["q"]]},
  "history in prose": {"instruction": "q", "output": "a", "history": "earlier"},
  "an empty text": {"text": " "},
  "a judged answer": {"prompt": "q", "completion": "a", "label": False},
  "judged in a table's words": {"prompt": "q", "completion": "a", "label": "True"},
  "a judged conversation": chat(U, A) | {"label": False},
  "a judged sharegpt": human(**{"from": "gpt", "value": "a"}) | {"kto_tag": True},
  "a judged alpaca": {"instruction": "q", "output": "a", "label": False},
}  # fmt: skip
ROWS = [(name, row, name in RIGHT) for name, row in (RIGHT | WRONG).items()]


@pytest.fixture(scope="module")
def chatty():
  return make(TEMPLATE, eos="<|im_end|>")


@pytest.mark.parametrize(("name", "row", "right"), ROWS, ids=[name for name, *_ in ROWS])
def test_training_preparation_and_checking_agree(tmp_path, chatty, name, row, right):
  path = tmp_path / "rows.jsonl"
  path.write_text(json.dumps(row) + "\n")
  tries = {
    "training": lambda: load({"train": str(path), "validation_fraction": 0.0}, chatty),
    "preparation": lambda: list(examples(Record(row, "f:1"), Plan(), "f")),
  }
  told = {}
  for who, attempt in tries.items():
    try:
      attempt()
    except InputError as e:
      assert ":1: " in str(e)
      told[who] = str(e)
  out = tmp_path / "fixed.jsonl"
  found = check(str(path), str(out))
  if errors := [str(p) for p in found if p.level == ERROR]:
    told["checking"] = errors[0]
  assert told.keys() == (set() if right else {"training", "preparation", "checking"}), told
  if right:
    assert found.written == 1
  for line in out.read_text().splitlines():  # What is written, training takes.
    path.write_text(line + "\n")
    tries["training"]()


@pytest.mark.parametrize(
  "row",
  [
    {"prompt": "q", "chosen": "a", "rejected": "b"},
    {"prompt": "q", "chosen": [U, A], "rejected": [U, A | {"content": "b"}]},
    {"chosen": [U, A], "rejected": [U, A | {"content": "b"}]},
    chat(U, A) | {"rejected": [A | {"content": "b"}]},
    {"input": chat(U), "preferred_output": [A], "non_preferred_output": [A | {"content": "b"}]},
  ],
)
def test_preference_pairs_are_never_imitated_by_halves(tmp_path, chatty, row):
  path = tmp_path / "rows.jsonl"
  path.write_text(json.dumps(row) + "\n")
  with pytest.raises(InputError, match=r"rows\.jsonl:1: this is a preference pair"):
    load({"train": str(path), "validation_fraction": 0.0}, chatty)
  (example,) = examples(Record(row, "f:1"), Plan(), "f")
  assert example.messages == (U, A) and example.rejected == (A | {"content": "b"},)
  assert not check(str(path)).of(ERROR)


ADVISED = [
  {"prompt": "q", "chosen": "a", "rejected": "b"},
  {"prompt": "q", "chosen": [A], "rejected": [A]},
  {"prompt": "q", "chosen": [U, A], "rejected": [U, A]},
  {"conversations": [{"from": "human", "value": "q"}], "chosen": {"from": "gpt", "value": "a"}, "rejected": {"from": "gpt", "value": "b"}},
  {"question": "q", "chosen": "a", "rejected": "b"},
  {"prompt": "q", "completion": "a", "label": True},
  chat(U, A) | {"rejected": [A]},
]  # fmt: skip


@pytest.mark.parametrize("row", ADVISED)
def test_the_advice_for_preference_pairs_imitates_the_chosen_answer_once(tmp_path, chatty, row):
  path = tmp_path / "rows.jsonl"
  path.write_text(json.dumps(row) + "\n")
  try:
    load({"train": str(path), "validation_fraction": 0.0}, chatty)
  except InputError as e:
    flags = [w.rstrip(".") for w in str(e).split() if w.startswith("--config.data.")]
  assert flags
  keys = {"train": str(path), "validation_fraction": 0.0, "fields": {}}
  for flag in flags:
    *_, name = flag.partition("=")[0].split(".")
    (keys["fields"] if "fields." in flag else keys)[name] = flag.partition("=")[2]
  data = load(keys, chatty)
  assert chatty.decode(data.train.ids) == (
    "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n"
  )
