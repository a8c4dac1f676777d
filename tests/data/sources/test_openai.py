"""Rows for OpenAI's fine-tuning endpoint."""

import json

import pytest

U, A = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
S = {"role": "system", "content": "s"}
CHAT = {"messages": [S, U, A | {"weight": 0}, U, A | {"weight": 1}]}
PAIR = {
  "input": {"messages": [U], "tools": [], "parallel_tool_calls": True},
  "preferred_output": [A],
  "non_preferred_output": [{"role": "assistant", "content": "b"}],
}
PARTS = {"messages": [{"role": "developer", "content": [{"type": "text", "text": "s"}]}, U, A]}


@pytest.mark.parametrize(
  ("row", "wanted"),
  [
    (CHAT, {"messages": [S, U, A | {"weight": 0}, U, A]}),
    (PARTS, {"messages": [S, U, A]}),
    ({"prompt": "q", "completion": "a"}, {"messages": [U, A]}),
    (PAIR, {"messages": [U, A], "rejected": [A | {"content": "b"}]}),
  ],
)
def test_every_kind_of_row(jsonl, gather, row, wanted):
  assert gather("openai", jsonl([row])) == ([wanted], [])


CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}


@pytest.mark.parametrize(
  ("row", "match"),
  [
            ({"messages": [U, CALL, A]}, "message 2 (assistant), call 1 must be"),
    ({"messages": [U, A], "tools": [{"type": "function"}]}, "tool 1 must be"),
    ({"messages": [U, A | {"weight": 0}]}, "no trained token"),
    ({"messages": [U, A | {"weight": 0.5}]}, "or 1, but is 0.5"),
    ({"messages": [U | {"weight": 1}, A]}, "message 1 (user): 'weight' is 1"),
    ({"messages": [U]}, "no trained token"),
    ({"messages": [U, A | {"content": " "}]}, "the answer is empty"),
    ({"messages": []}, "must be a list of messages"),
    ({"messages": [{"role": "usr", "content": "q"}, A]}, "the role 'usr'"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, A]}, "part 1 is of type 'image_url'"),
    ({"prompt": "q", "completion": ""}, "the answer is empty"),
    (PAIR | {"input": {"messages": [U], "tools": [1]}}, "the tools must be a list of objects"),
    (PAIR | {"input": "q"}, "'input' must be an object"),
    (PAIR | {"preferred_output": [U]}, "'preferred_output' must end in an answer"),
    ({"text": "x"}, "none of OpenAI's"),
  ],
)  # fmt: skip
def test_a_row_that_cannot_be_trained_on_is_told_and_the_next_is_read(jsonl, gather, row, match):
  path = jsonl([row, {"messages": [U, A]}])
  rows, bad = gather("openai", path)
  assert rows == [{"messages": [U, A]}]
  assert len(bad) == 1 and f"{path}:1: " in bad[0] and match in bad[0]
  assert json.dumps(row)  # The row itself is sound JSON.
