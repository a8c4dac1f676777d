"""What templates do with turns: calls, roles they do not have, answers that come first, thinking."""

import json

import pytest
from tokenizers import Tokenizer

from ftjax.config import InputError
from ftjax.text.chat import Template
from ftjax.text.messages import normal

USER = {"role": "user", "content": "How many?"}
CALL = {
  "role": "assistant", "content": None,
  "tool_calls": [{"id": "c1", "function": {"name": "stock_of", "arguments": '{"plant": "Röse", "n": 2}'}}],
}  # fmt: skip
RESULT = {"role": "tool", "content": "3", "tool_call_id": "c1"}
ANSWER = {"role": "assistant", "content": "There are 3."}
TOOLS = [{"type": "function", "function": {"name": "stock_of", "parameters": {"type": "object"}}}]
ROW = normal([USER | {"tools": TOOLS}, CALL, RESULT, ANSWER], "f:1")

HEAD = (
  "{% if tools %}{{ tools | tojson }}\n{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n"
)
TAIL = "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
CALLS = "{{ m.content or '' }}{% for c in m.tool_calls or [] %}<call>{{ c.function.name }} HOW</call>{% endfor %}"
AS_MAPPING = HEAD + CALLS.replace("HOW", "{{ c.function.arguments | tojson }}") + TAIL
AS_TEXT = HEAD + CALLS.replace("HOW", "{{ '' + c.function.arguments }}") + TAIL
AS_PYTHON = HEAD + CALLS.replace("HOW", "{{ c.function.arguments }}") + TAIL
PARAMETERS = (
  HEAD
  + CALLS.replace(
    "HOW", "{% for k, v in c.function.arguments.items() %}<{{ k }}>{{ v }}{% endfor %}"
  )
  + TAIL
)
JSON = '{"plant": "Röse", "n": 2}'


def trained(tok, rows):
  return [tok.decode([i for i, t in zip(r.ids, r.trained, strict=True) if t]) for r in rows]


@pytest.mark.parametrize(
  ("template", "call"),
  [
    (AS_MAPPING, JSON),
    (AS_TEXT, JSON),
    (AS_PYTHON, JSON),
    (PARAMETERS, "<plant>Röse<n>2"),
  ],
  ids=["mapping", "text", "python", "parameters"],
)
def test_calls_are_trained_through_templates_that_have_them(tiny, template, call):
  tok = tiny(template, eos="<|im_end|>")
  (row,) = rows = Template.choose(tok).encode_many([ROW])
  assert trained(tok, rows) == [f"<call>stock_of {call}</call><|im_end|>\nThere are 3.<|im_end|>\n"]
  whole = tok.decode(row.ids)
  assert whole.startswith(json.dumps(TOOLS)) and "<|im_start|>tool\n3<|im_end|>" in whole


NO_CALLS = HEAD + "{{ m.content }}" + TAIL
NO_TOOLS = AS_MAPPING.replace("{% if tools %}", "{% if false %}")
NO_RESULT = AS_MAPPING.replace(
  "<|im_start|>{{ m.role }}",
  "{% if m.role == 'tool' %}{% continue %}{% endif %}<|im_start|>{{ m.role }}",
)


@pytest.mark.parametrize(
  ("template", "match"),
  [
    (NO_CALLS, r"f:1: message 2 \(assistant\) calls 'stock_of', which is not in what the chat template renders"),
    (NO_TOOLS, "f:1: the row offers the tool 'stock_of', which is not in what"),
    (NO_RESULT, r"f:1: message 3 \(tool\) is not in what the chat template renders"),
    (None, "f:1: the row offers tools, which is not known to the plain template"),
  ],
)  # fmt: skip
def test_what_a_template_does_not_render_is_refused_by_name(tiny, template, match):
  """Also where it says the same by chance: the result is in the answer, the name among the tools."""
  with pytest.raises(InputError, match=match):
    Template.choose(tiny(template, eos="<|im_end|>")).encode_many([ROW], places=["f:1"])


def test_the_plain_template_is_advised_where_it_can_say_the_row(tiny):
  template = Template.choose(tiny("{{ raise_exception('Call IDs have 9 letters') }}"))
  with pytest.raises(InputError, match="9 letters.* use a model whose template has them"):
    template.encode_many([ROW])
  with pytest.raises(InputError, match="9 letters.* use data.template='plain'"):
    template.encode_many([TURNS])


@pytest.mark.parametrize("more", [CALL, RESULT, ANSWER | {"reasoning_content": "hm"}])
def test_the_plain_template_has_text_alone(tiny, more):
  with pytest.raises(InputError, match="f:1: message 2 has .* not known to the plain template"):
    Template.choose(tiny()).encode_many([normal([USER, more, ANSWER], "f:1")], places=["f:1"])


def test_reasoning_that_the_template_leaves_out_is_refused(tiny, chatml):
  row = normal([USER, ANSWER | {"reasoning_content": "Let me think."}], "f:1")
  with pytest.raises(InputError, match="f:1: message 2: .* the reasoning of the answer is not in"):
    Template.choose(tiny(chatml, eos="<|im_end|>")).encode_many([row], places=["f:1"])
  thinks = chatml.replace("{{ m['content']", "{{ m.reasoning_content }}</think>{{ m['content']")
  tok = tiny(thinks, eos="<|im_end|>")
  rows = Template.choose(tok).encode_many([row])
  assert trained(tok, rows) == ["Let me think.</think>There are 3.<|im_end|>\n"]


@pytest.mark.parametrize("system", [[], [{"role": "developer", "content": "Be kind."}]])
def test_the_header_of_an_answer_that_comes_first_is_not_trained(tiny, chatml, system):
  tok = tiny(chatml, eos="<|im_end|>")
  row = normal([*system, {"role": "assistant", "content": "Hello."}, USER, ANSWER], "f:1")
  rows = Template.choose(tok).encode_many([row])
  assert trained(tok, rows) == ["Hello.<|im_end|>\nThere are 3.<|im_end|>\n"]
  assert not system or "<|im_start|>system\nBe kind." in tok.decode(rows[0].ids)


QWEN = (  # A thinking model's: the last answer alone has a block of it, and the prompt opens that.
  "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' %}"
  "{% set ns.last = loop.index0 %}{% endif %}{% endfor %}{% for m in messages %}<|im_start|>{{ m.role }}\n"
  "{% if m.role == 'assistant' and loop.index0 > ns.last %}<think>\n\n</think>\n\n{% endif %}{{ m.content }}"
  "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
ENDS_ONCE = (  # An end of text after the whole conversation.
  "{% for m in messages %}{{ m.role }}: {{ m.content }}<|im_end|>{% endfor %}"
  "{% if add_generation_prompt %}assistant: {% else %}</s>{% endif %}"
)
TURNS = normal([USER, ANSWER, USER | {"content": "Sure?"}, ANSWER | {"content": "Yes."}], "f:1")


def with_merge(tok):
  """Two line feeds are one token, as in most byte-level tokenizers."""
  state = json.loads(tok.backend_tokenizer.to_str())
  state["model"]["vocab"]["ĊĊ"] = len(state["model"]["vocab"])
  state["model"]["merges"] = [["Ċ", "Ċ"]]
  tok._tokenizer = Tokenizer.from_str(json.dumps(state))
  return tok


def test_a_template_that_thinks_is_prompted_as_it_was_trained(tiny):
  tok = with_merge(tiny(QWEN, eos="<|im_end|>"))
  assert len(tok("\n\n", add_special_tokens=False).input_ids) == 1
  template = Template.choose(tok)
  rows = template.encode_many([TURNS])
  ends = "\n</think>\n\nThere are 3.<|im_end|>\n", "\n</think>\n\nYes.<|im_end|>\n"
  assert trained(tok, rows) == list(ends)
  for row, before in zip(rows, (TURNS[:1], TURNS[:3]), strict=True):
    prompt = template.render_prompt(before)
    assert row.ids[: len(prompt)] == prompt == tok.apply_chat_template(
      before, add_generation_prompt=True, return_dict=False
    )  # fmt: skip
    assert row.trained == [False] * len(prompt) + [True] * (len(row.ids) - len(prompt))


def test_a_template_that_ends_the_whole_conversation_trains_every_answer(tiny):
  tok = tiny(ENDS_ONCE)
  rows = Template.choose(tok).encode_many([TURNS, TURNS[:2]])
  assert trained(tok, rows) == [
    "There are 3.<|im_end|></s>",
    "Yes.<|im_end|></s>",
    "There are 3.<|im_end|></s>",
  ]
  assert [r.source for r in rows] == [0, 0, 1]
  silent = [TURNS[0], TURNS[1] | {"weight": 0}, *TURNS[2:]]
  assert trained(tok, Template.choose(tok).encode_many([silent])) == ["Yes.<|im_end|></s>"]
