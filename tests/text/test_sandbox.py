"""Chat templates in a process of their own: the same texts, and bounds for what a stranger wrote."""

import threading
import time

import pytest

from ftjax.config import InputError
from ftjax.text import sandbox
from ftjax.text.chat import Template
from ftjax.text.tokenizer import load_tokenizer

MESSAGES = [
  {"role": "system", "content": "Be brief.\ud800"},
  {"role": "user", "content": 'Name a <b>fish</b>: "é漢😀"'},
  {"role": "assistant", "content": None, "reasoning": "hm",
   "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"b": 1, "a": [2.5]}}}]},
]  # fmt: skip
TEMPLATES = {
  "loops": "{% for m in messages %}{{ loop.index }} {{ m.role }}: {{ m.content }}\n{% endfor %}"
  "{% if add_generation_prompt %}go{% endif %}",
  "names": "{{ bos_token }}{{ messages[1]['content'] | trim | upper }}{{ eos_token }}",
  "json": "{{ messages | tojson }}{{ (tools or []) | tojson(indent=2) }}",
  "namespaces": "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}"
  "{% if ns.n == 2 %}{% break %}{% endif %}{% endfor %}{{ ns.n }}{{ messages[2].reasoning_content }}",
  "generation": "{% for m in messages %}{% generation %}{{ m.role }}{% endgeneration %}{% endfor %}",
  "dates": "{{ strftime_now('%Y') }}",
}


@pytest.fixture(scope="module")
def tokenizer():
  from ftjax.models.hub import STARTER

  return load_tokenizer(STARTER)


@pytest.fixture(scope="module", autouse=True)
def short():
  """Bounds that are met soon, in a process that has them."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(sandbox, "SECONDS", 1)
    patch.setattr(sandbox, "MEMORY", 200 << 20)
    patch.setattr(sandbox, "_running", [])
    yield
    for process in sandbox._running:
      process.close()


def with_template(tokenizer, template, monkeypatch):
  monkeypatch.setattr(tokenizer, "chat_template", template)
  return tokenizer


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("prompt", [False, True])
def test_texts_are_those_of_transformers(tokenizer, monkeypatch, name, prompt):
  tok = with_template(tokenizer, TEMPLATES[name], monkeypatch)
  tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
  expected = tok.apply_chat_template(
    MESSAGES, tools=tools, tokenize=False, add_generation_prompt=prompt
  )
  assert sandbox.render(tok, MESSAGES, tools=tools, prompt=prompt) == expected


HOSTILE = {
  "it takes more than 200 MiB of memory": "{{ 'a' * 10000000000 }}",
  "it takes more than 1 s": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
  "(RecursionError: .*|it ended the process that renders)": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
  "ZeroDivisionError: division": "{{ 1 / 0 }}",
  "it makes a text of 20000000 characters, and 16777216 are the most": "{{ 'ab' * 10000000 }}",
  "MemoryError|OverflowError|it takes more": "{{ 'a'.ljust(10 ** 18) }}",
  "expected token": "{{ oh no }}",
  "access to attribute": "{{ ''.__class__.__mro__ }}",
}


@pytest.mark.parametrize("message", HOSTILE)
def test_templates_that_would_take_the_machine(tokenizer, monkeypatch, message):
  tok = with_template(tokenizer, HOSTILE[message], monkeypatch)
  with pytest.raises(
    InputError,
    match=rf"row 7: the chat template cannot .*({message}).*template is that of .*starter",
  ):
    Template.choose(tok).render([{"role": "user", "content": "x"}], False, "row 7")
  monkeypatch.setattr(tok, "chat_template", "{{ messages[0].content }}")
  assert sandbox.render(tok, [{"role": "user", "content": "still here"}]) == "still here"


def test_a_text_that_doubles(tokenizer, monkeypatch):
  grows = "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}"
  with pytest.raises(sandbox.Failed, match="it takes more than"):
    sandbox.render(with_template(tokenizer, grows + "{{ ns.x }}", monkeypatch), MESSAGES)


def test_several_threads_get_their_own_answers(tokenizer, monkeypatch):
  tok = with_template(tokenizer, "{{ messages[0].content }}", monkeypatch)
  wrong = []

  def ask(n):
    for i in range(20):
      text = f"{n}-{i}" * 500
      if sandbox.render(tok, [{"role": "user", "content": text}]) != text:
        wrong.append((n, i))

  threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
  for t in threads:
    t.start()
  for t in threads:
    t.join()
  assert not wrong


def test_it_is_fast(tokenizer, monkeypatch):
  tok = with_template(tokenizer, TEMPLATES["loops"], monkeypatch)
  sandbox.render(tok, MESSAGES)
  start = time.process_time()
  for _ in range(200):
    sandbox.render(tok, MESSAGES)
  assert time.process_time() - start < 1


def test_a_template_that_writes_a_date_is_told_the_day(tokenizer, monkeypatch):
  tok = with_template(tokenizer, "{{ strftime_now('%d %b %Y %H:%M') }}", monkeypatch)
  assert sandbox.render(tok, MESSAGES, day="2024-02-29") == "29 Feb 2024 00:00"
  assert sandbox.render(tok, MESSAGES).startswith(time.strftime("%d %b %Y"))
