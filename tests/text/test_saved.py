"""A tokenizer that is saved with its template gives rows the ids that they are trained with."""

import json

import pytest
from tokenizers import Tokenizer

from ftjax.config import InputError
from ftjax.text import rendering
from ftjax.text.chat import Template
from ftjax.text.messages import normal
from ftjax.text.saved import Sample, check


def with_spaces(tok, scheme):
  """Words begin with a space, as sentencepiece has it, which is put before a text too."""
  state = json.loads(tok.backend_tokenizer.to_str())
  state["pre_tokenizer"] = {
    "type": "Metaspace", "replacement": "Ġ", "prepend_scheme": scheme, "split": False,
  }  # fmt: skip
  tok._tokenizer = Tokenizer.from_str(json.dumps(state))
  return tok


def samples(template, *contents):
  out = []
  for i, (asked, told) in enumerate(contents):
    turns = [("system", "s"), ("user", asked), ("assistant", told)]
    row = normal([{"role": r, "content": c} for r, c in turns[i % 2 :]], "f:1")
    out.append(Sample(row, template.encode_many([row]), f"f:{i + 1}"))
  return out


CONTENTS = [
  ("Tell me", "a story"),
  (" a", " b"),
  ("\n", "x"),
  ("q", "a</s>"),
  ("", "x"),
  ("e", "f"),
]


@pytest.mark.parametrize("separator", ["", "\n", " → ", " 🤖: ", "\t'\"{{ x }}\\n"])
@pytest.mark.parametrize("scheme", ["", "always", "first", "never"])
def test_whatever_the_separator_and_the_tokenizer(tiny, separator, scheme):
  tok = with_spaces(tiny(), scheme) if scheme else tiny()
  template = Template.choose(tok, separator=separator)
  rows = samples(template, *CONTENTS)
  check(template, rows, "responses")
  assert tok.chat_template is None  # Only what is saved has one.
  template.attach(tok)
  for messages, (encoded,), _ in (rows[0], rows[-1]):
    assert tok.apply_chat_template(messages, return_dict=False) == encoded.ids


def test_a_chat_template_is_checked_too(tiny, chatml):
  template = Template.choose(tiny(chatml, eos="<|im_end|>"))
  check(template, samples(template, *CONTENTS[:2]), "responses")


def test_a_tokenizer_that_reads_otherwise_is_refused(tiny, monkeypatch):
  wrong = lambda *_: (
    "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}"
  )
  monkeypatch.setattr(rendering, "plain_template", wrong)
  template = Template.choose(tiny())
  with pytest.raises(InputError, match="f:1, its prompt: the tokenizer, as it will be saved"):
    check(template, samples(template, ("q", "a")), "responses")


def test_a_header_that_prompts_lack_is_refused(tiny):
  headed = "{% for m in messages %}### {{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"
  asks = "{% if add_generation_prompt %}### assistant: {% endif %}"
  template = Template.choose(tiny(headed))
  with pytest.raises(
    InputError, match="f:1: the chat template writes '### assistant:' before an answer"
  ):
    check(template, samples(template, ("q", "a")), "responses")
  template = Template.choose(tiny(headed + asks))
  check(template, samples(template, ("q", "a")), "responses")
  bare = Template.choose(
    tiny("{% for m in messages %}[{{ m.content }}]{{ eos_token }}{% endfor %}")
  )
  with pytest.raises(InputError, match=r"writes '\['"):
    check(bare, samples(bare, ("q", "a")), "responses")
  llama = "{% for m in messages %}{% if m.role == 'assistant' %} {{ m.content }} {{ eos_token }}{% else %}[INST] {{ m.content }} [/INST]{% endif %}{% endfor %}"
  template = Template.choose(tiny(llama))
  check(template, samples(template, ("q", "a")), "responses")
