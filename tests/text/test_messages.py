"""Messages in their one form, whoever wrote them, and errors that name the message and the value."""

import json

import pytest

from ftjax.config import InputError
from ftjax.text.messages import continued, normal, offering, said, text
from ftjax.text.thinking import answer

ASK, TELL = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
FUNCTION = {"name": "stock_of", "arguments": {"plant": "Rose", "near": None}}
CALL = {"type": "function", "function": FUNCTION}
CALLED = {"role": "assistant", "content": "", "tool_calls": [CALL]}
TOOL = {"type": "function", "function": {"name": "stock_of", "parameters": {"type": "object"}}}
WRITTEN = json.dumps(FUNCTION["arguments"])


def one(**message):
  return normal([message], "f:1: 'messages'")[0]


@pytest.mark.parametrize(
  ("given", "wanted"),
  [
    ({"from": "human", "value": "q"}, ASK),
    ({"from": "gpt", "value": "a"}, TELL),
    ({"role": "developer", "content": "s"}, {"role": "system", "content": "s"}),
    ({"role": "user", "content": [{"type": "text", "text": "q", "image_url": None}]}, ASK),
    ({"role": "user", "content": b"q", "name": "Ann"}, ASK),
    ({"role": "assistant", "content": "a", "weight": 0.0}, TELL | {"weight": 0}),
    ({"role": "assistant", "content": "a", "weight": True, "tool_calls": []}, TELL),
    ({"role": "user", "content": "q", "weight": 0}, ASK),
    ({"role": "assistant", "content": "a", "train": False}, TELL | {"weight": 0}),
    ({"role": "assistant", "content": "a", "masked": True}, TELL | {"weight": 0}),
    ({"role": "assistant", "content": "a", "loss": True}, TELL),
    ({"role": "assistant", "content": "a", "loss": 0.3}, TELL),
    ({"role": "assistant", "content": "a", "train": False, "weight": 1}, TELL),
    ({"role": "user", "content": "q", "training": False}, ASK),
    ({"role": "assistant", "tool_calls": [{"name": "stock_of", "args": FUNCTION["arguments"]}]}, CALLED),
    ({"role": "assistant", "tool_calls": [{"type": "tool_use", "name": "stock_of", "input": WRITTEN}]}, CALLED),
    ({"role": "assistant", "tool_calls": [{"function": {"name": "stock_of"}, "arguments": WRITTEN}]}, CALLED),
    ({"role": "assistant", "content": None, "tool_calls": [CALL]}, CALLED),
    ({"role": "assistant", "tool_calls": [{"type": "function", "function": FUNCTION | {"arguments": WRITTEN}}]}, CALLED),
    ({"role": "assistant", "tool_calls": [FUNCTION]}, CALLED),
    ({"role": "assistant", "tool_calls": [json.dumps(CALL)]}, CALLED),
    ({"role": "assistant", "tool_calls": json.dumps([CALL])}, CALLED),
    ({"role": "assistant", "content": None, "function_call": FUNCTION | {"arguments": WRITTEN}}, CALLED),
    ({"from": "function_call", "value": json.dumps(FUNCTION)}, CALLED),
    ({"from": "observation", "value": "3"}, {"role": "tool", "content": "3"}),
    ({"role": "tool", "content": "", "tool_call_id": "1"}, {"role": "tool", "content": "", "tool_call_id": "1"}),
    ({"role": "assistant", "content": "a", "reasoning_content": "r"}, TELL | {"reasoning_content": "r"}),
  ],
)  # fmt: skip
def test_every_way_to_write_a_message_is_one_form(given, wanted):
  assert one(**given) == wanted
  assert normal([wanted], "again") == [wanted]


@pytest.mark.parametrize(
  ("given", "match"),
  [
    ({"role": "wizard", "content": "x"}, " has the role 'wizard'. Use one of: system, user, assistant, tool"),
    ({"content": "x"}, " has no 'role'"),
    ({"role": "user", "content": "x", "train": True}, "'train' is True, but only the assistant's messages are trained on"),
    ({"role": "system", "content": "x", "masked": False}, "'masked' is False, but only the assistant's"),
    ({"role": "assistant", "tool_calls": [{"name": "f", "kwargs": {"x": 1}}]}, "has no 'arguments', but 'kwargs', which would be"),
    ({"role": "assistant", "tool_calls": [{"name": "", "arguments": {}}]}, "call 1 must be"),
    ({"role": 3, "content": "x"}, "'role' must be text, but is int 3"),
    ({"role": "user", "content": 7}, r" \(user\): 'content' must be text, but is int 7"),
    ({"role": "user", "content": None}, r" \(user\): 'content' is null"),
    ({"role": "user"}, r" \(user\): there is no 'content'"),
    ({"role": "assistant", "content": None, "tool_calls": []}, "'content' is null"),
    ({"role": "assistant", "content": " \n"}, "no trained token: the answer is empty"),
    ({"role": "user", "content": [{"type": "text"}]}, "part 1 is without its 'text'"),
    ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, "part 1 is of type 'image_url'"),
    ({"role": "user", "content": ["x"]}, "part 1 is str 'x'"),
    ({"role": "user", "content": "x \ud83d"}, r"half a surrogate pair, \\ud83d, at character 3"),
    ({"role": "user", "content": b"\xff"}, "is not UTF-8"),
    ({"role": "assistant", "content": "a", "weight": 0.5}, "'weight' must be 0 .* or 1, but is 0.5"),
    ({"role": "assistant", "content": "a", "weight": "0"}, "'weight' must be 0 .* or 1, but is '0'"),
    ({"role": "user", "content": "q", "weight": 1}, "'weight' is 1, but only the assistant's"),
    ({"role": "user", "content": "q", "tool_calls": [CALL]}, "only the assistant calls tools"),
    ({"role": "assistant", "tool_calls": [{"id": "1"}]}, "call 1 must be"),
    ({"role": "assistant", "tool_calls": [1]}, "the tool calls must be a list of objects"),
    ({"role": "assistant", "tool_calls": 5}, "the tool calls must be a list of objects"),
    ({"role": "assistant", "tool_calls": "call me"}, "is not JSON"),
    ({"role": "assistant", "tool_calls": [FUNCTION | {"arguments": "{"}]}, "call 1: .* is not JSON"),
    ({"role": "assistant", "tool_calls": [FUNCTION | {"arguments": "[1]"}]}, "'arguments' must be a JSON object"),
  ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_the_message_and_the_value(given, match):
  with pytest.raises(InputError, match=f"^f:1: 'messages', message 1.*{match}"):
    one(**given)


@pytest.mark.parametrize("value", [[], None, "hi", {"role": "user"}, 5])
def test_no_list_of_messages(value):
  with pytest.raises(InputError, match="f:1 must be a list of messages, but is"):
    normal(value, "f:1")


@pytest.mark.parametrize(
  "tools", [[TOOL], [TOOL["function"]], json.dumps([TOOL]), [json.dumps(TOOL)], TOOL]
)
def test_tools_stand_in_the_first_message(tools):
  want = [ASK | {"tools": [TOOL]}, TELL]
  assert offering([ASK, TELL], tools, "f:1") == want
  assert normal([ASK | {"tools": tools}, TELL], "f:1") == want
  system = {"role": "system", "content": "s"}
  assert offering([system, *want], None, "f:1") == [system | {"tools": [TOOL]}, ASK, TELL]
  assert offering([ASK, TELL], [], "f:1") == [ASK, TELL]


def test_tools_without_a_name_are_refused():
  with pytest.raises(InputError, match="f:1: tool 1 must be"):
    offering([ASK], [{"type": "function"}], "f:1")


def test_answers_in_a_prompt_are_trained_on_where_their_weight_says_so():
  asked = normal([ASK, TELL, TELL | {"weight": 1}], "f:1", trained=False)
  assert [m.get("weight", 1) for m in asked] == [1, 0, 1]


SYSTEM = {"role": "system", "content": "s"}


@pytest.mark.parametrize(
  ("asked", "whole", "wanted"),
  [
    ([ASK], [TELL], ([ASK], [TELL])),
    ([ASK], [ASK, TELL], ([ASK], [TELL])),
    ([ASK | {"content": "q\n"}], [ASK, TELL], ([ASK | {"content": "q\n"}], [TELL])),
    ([ASK], [SYSTEM, ASK, TELL], ([SYSTEM, ASK], [TELL])),
    ([SYSTEM, ASK], [ASK, TELL], ([SYSTEM, ASK], [TELL])),
    ([ASK, TELL, ASK], [ASK, TELL, ASK, TELL, TELL], ([ASK, TELL, ASK], [TELL, TELL])),
  ],
)
def test_a_prompt_that_the_answer_says_again_is_asked_once(asked, whole, wanted):
  assert continued(asked, whole, "f:1") == wanted


@pytest.mark.parametrize("whole", [[ASK | {"content": "other"}, TELL], [ASK], [ASK, ASK, TELL]])
def test_a_conversation_that_is_not_the_prompts_is_refused(whole):
  with pytest.raises(InputError, match="f:1: 'chosen' begins with a message of the user"):
    continued([ASK], whole, "f:1: 'chosen'")


def test_a_text_in_parts_and_what_a_message_says():
  assert text([{"text": "a"}, {"type": "text", "text": "b"}], "f:1") == "ab"
  assert said(CALLED | {"content": "Look:"}) == 'Look:\nstock_of({"plant": "Rose", "near": null})'


@pytest.mark.parametrize(
  ("given", "wanted"),
  [
    ("Ciao.", "Ciao."),
    ("<think>\n\n</think>\n\nCiao.", "Ciao."),
    ("\n</think>\n\nCiao.", "Ciao."),
    ("<think>\nhm", ""),
    ("[THINK]hm[/THINK]Ciao.", "Ciao."),
    ("Write <think> and </think> round it.", "Write <think> and </think> round it."),
  ],
)
def test_an_answer_without_its_thinking(given, wanted):
  assert answer(given) == wanted
