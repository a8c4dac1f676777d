"""Messages to ids and masks: what is trained on is exactly what the model must write."""

import csv
import random

import numpy as np
import pytest

from ftjax.config import InputError
from ftjax.text.chat import Template, auto_separator
from ftjax.text.tokenizer import load_tokenizer

USER, BOT, SYSTEM = "user", "assistant", "system"


def chat(*turns):
  return [{"role": role, "content": content} for role, content in turns]


def trained_text(tok, encoded):
  """The trained parts, each between brackets."""
  out, inside = "", False
  for i, trained in zip(encoded.ids, encoded.trained, strict=True):
    out += ("[" if trained and not inside else "]" if inside and not trained else "") * 1
    inside = trained
    out += tok.decode([i]) if trained else ""
  return out + ("]" if inside else "")


TWO = chat((SYSTEM, "Be kind."), (USER, "Hi?"), (BOT, "Ho."), (USER, "So?"), (BOT, "No."))


def test_plain_trains_the_answers_and_their_eos_though_pad_is_eos(tiny):
  tok = tiny()
  assert tok.pad_token_id == tok.eos_token_id
  encoded = Template.choose(tok, separator="\n").encode(TWO)
  assert tok.decode(encoded.ids) == "<s>Be kind.\nHi?\nHo.</s>So?\nNo.</s>"
  assert trained_text(tok, encoded) == "[Ho.</s>][No.</s>]"


def test_chat_trains_each_answer_up_to_the_end_of_its_turn(tiny, chatml):
  tok = tiny(chatml, eos="<|im_end|>")
  template = Template.choose(tok)
  assert template.kind == "chat"
  assert trained_text(tok, template.encode(TWO)) == "[Ho.<|im_end|>\n][No.<|im_end|>\n]"
  assert trained_text(tok, template.encode(TWO, "last")) == "[No.<|im_end|>\n]"
  everything = template.encode(TWO, "all")
  assert everything.trained == [False] + [True] * (len(everything.ids) - 1)
  assert everything.ids == tok.apply_chat_template(TWO, return_dict=False)


def test_an_answer_of_weight_0_is_read_and_not_trained_on(tiny, chatml):
  tok = tiny(chatml, eos="<|im_end|>")
  template, silent = Template.choose(tok), [*TWO[:-1], TWO[-1] | {"weight": 0}]
  whole, encoded = template.encode(TWO), template.encode(silent)
  assert encoded.ids == whole.ids
  assert trained_text(tok, encoded) == "[Ho.<|im_end|>\n]"
  assert trained_text(tok, template.encode(silent, "last")) == "[Ho.<|im_end|>\n]"
  assert template.encode(silent, "all").trained == template.encode(TWO, "all").trained
  with pytest.raises(InputError, match="r:1: no trained token: every answer has the weight 0"):
    template.encode([TWO[1], TWO[2] | {"weight": 0}], place="r:1")


@pytest.mark.parametrize("separator", ["", "\n", "\n\n### \"Answer\" 'é':\n"])
@pytest.mark.parametrize("adds_bos", [True, False])
def test_the_attached_template_renders_what_was_trained_on(tiny, separator, adds_bos):
  tok, exported = tiny(adds_bos=adds_bos), tiny(adds_bos=adds_bos)
  plain = Template.choose(tok, separator=separator)
  plain.attach(exported)
  again = Template.choose(exported)
  assert again.kind == "chat"
  for messages in (TWO, TWO[1:3], chat((USER, " a "), (BOT, "ü 🐟"))):
    encoded = plain.encode(messages)
    assert exported.apply_chat_template(messages, return_dict=False) == encoded.ids
    assert again.encode(messages) == encoded
    assert again.render_prompt(messages[:-1]) == plain.render_prompt(messages[:-1])


def test_attaching_a_chat_template_hands_it_on(tiny, chatml):
  exported = tiny()
  Template.choose(tiny(chatml, eos="<|im_end|>")).attach(exported)
  assert exported.chat_template == chatml


@pytest.mark.parametrize("kind", ["plain", "chat"])
def test_a_prompt_at_inference_is_how_the_row_begins(tiny, chatml, kind):
  tok = tiny(chatml, eos="<|im_end|>")
  template = Template.choose(tok, kind)
  row = template.encode(chat((USER, "Name a fish"), (BOT, "Cod")))
  prompt = template.render_prompt("Name a fish")
  assert row.ids[: len(prompt)] == prompt
  assert row.trained == [False] * len(prompt) + [True] * (len(row.ids) - len(prompt))
  assert tok.decode(prompt).endswith(template.render_text("Name a fish"))


def test_the_mask_is_the_answer_whatever_the_text(tiny, chatml):
  rng = random.Random(0)
  text = lambda: "".join(rng.choices("ab \n.é🐟ß\u200d\ta̐", k=rng.randint(1, 9)))
  tok = tiny(chatml, eos="<|im_end|>")
  rows = [chat((USER, text()), (BOT, text()), (USER, text()), (BOT, text())) for _ in range(60)]
  for kind, end in (("plain", "<|im_end|>"), ("chat", "<|im_end|>\n")):
    template = Template.choose(tok, kind)
    many = template.encode_many(rows)
    for row, encoded in zip(rows, many, strict=True):
      answers = "".join(m["content"] + end for m in row if m["role"] == BOT)
      kept = [i for i, t in zip(encoded.ids, encoded.trained, strict=True) if t]
      assert tok.decode(kept) == answers
      assert template.encode(row) == encoded  # Alone as in a batch.


def test_without_bos_the_first_token_is_never_a_target(tiny):
  encoded = Template.choose(tiny(adds_bos=False)).encode(chat((BOT, "Hi")))
  assert encoded.trained == [False, True, True]


def test_an_answer_that_ends_in_eos_text_is_still_one_row(tiny):
  tok = tiny()
  encoded = Template.choose(tok).encode(chat((USER, "q"), (BOT, "a</s>")))
  assert tok.decode(encoded.ids) == "<s>q\na</s>"


@pytest.mark.parametrize(
  ("rows", "separator"),
  [
    ([chat((USER, "a\n"), (BOT, "b"))], ""),
    ([chat((USER, "a"), (BOT, " b"))], ""),
    ([chat((USER, "a"), (BOT, "b")), chat((USER, "a"), (BOT, "b")), chat((USER, "a "), (BOT, "b"))], "\n"),
    ([], "\n"),
  ],
)  # fmt: skip
def test_the_separator_is_a_newline_unless_most_rows_bring_their_own(rows, separator):
  assert auto_separator(rows) == separator


LOSES_THE_PAST = (  # As templates of thinking models do: an earlier answer is rendered otherwise than the last.
  "{% for m in messages %}{{ m['role'] }}:"
  "{% if loop.last and m['role'] == 'assistant' %}<think></think>{% endif %}{{ m['content'] }}{{ eos_token }}"
  "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)
THINKS_FIRST = (  # Its prompt ends in what no answer begins with.
  "{% for m in messages %}{{ m['role'] }}:{{ m['content'] }}{{ eos_token }}{% endfor %}"
  "{% if add_generation_prompt %}assistant:<think>{% endif %}"
)
RAISES = "{{ raise_exception('roles must alternate') }}"
NO_STOP = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
BOS = "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{{ eos_token }}{% endfor %}"
ASK = chat((USER, "q"), (BOT, "a"))


@pytest.mark.parametrize(
  ("template", "messages", "match"),
  [
    (THINKS_FIRST, TWO, r"f\.jsonl:7: the chat template is not prefix-preserving.*prompt up to message 3.*'all' or data.temp"),
    (RAISES, ASK, r"f\.jsonl:7: the chat template cannot render.*user, assistant.*roles must alternate"),
    (NO_STOP, ASK, r"f\.jsonl:7: an answer has no trained stop token.*stop tokens are '</s>'"),
    (BOS, chat((USER, "<s>q"), (BOT, "a")), r"f\.jsonl:7: BOS \('<s>'\) is doubled"),
    (None, chat((USER, "<s>q"), (BOT, "a")), r"f\.jsonl:7: BOS \('<s>'\) is doubled"),
    (None, chat((USER, "q")), r"f\.jsonl:7: no trained token.*no assistant turn \(roles: user\)"),
    (None, chat(("tool", "q"), (BOT, "a")), r"f\.jsonl:7: message 1 has the role 'tool', which is not known.*system, user, assistant"),
  ],
)  # fmt: skip
def test_what_would_train_wrongly_is_an_error_that_names_the_row(tiny, template, messages, match):
  with pytest.raises(InputError, match=match):
    Template.choose(tiny(template)).encode(messages, place="f.jsonl:7")


@pytest.mark.parametrize("advised", [{"train_on": "all"}, {"name": "plain"}])
def test_what_the_refusal_of_a_template_advises_works(tiny, advised):
  name, train_on = advised.get("name", "auto"), advised.get("train_on", "responses")
  assert any(Template.choose(tiny(THINKS_FIRST), name).encode(TWO, train_on).trained)


def test_a_template_that_rewrites_the_past_makes_a_row_of_each_answer(tiny):
  tok = tiny(LOSES_THE_PAST)
  template = Template.choose(tok)
  rows = template.encode_many([ASK, TWO])
  assert [r.source for r in rows] == [0, 1, 1]
  assert [trained_text(tok, r) for r in rows] == [
    "[<think></think>a</s>]", "[<think></think>Ho.</s>]", "[<think></think>No.</s>]",
  ]  # fmt: skip
  for row, end in zip(rows[1:], (3, 5), strict=True):
    assert row.ids == tok.apply_chat_template(TWO[:end], return_dict=False)
  assert trained_text(tok, template.encode(TWO, "last")) == "[<think></think>No.</s>]"


def test_an_answer_that_template_leaves_out_has_no_trained_token(tiny):
  template = Template.choose(tiny("{{ messages[0]['content'] }}{{ eos_token }}"))
  with pytest.raises(InputError, match=r"row 1: message 2 \(assistant\) is not in what the chat template"):
    template.encode_many([ASK])


def test_a_stop_token_of_the_generation_config_counts(tiny, chatml):
  tok = tiny(chatml)  # Its EOS is </s>, but the template ends turns in <|im_end|>.
  with pytest.raises(InputError, match="no trained stop token"):
    Template.choose(tok).encode(ASK)
  stop = tok.convert_tokens_to_ids("<|im_end|>")
  assert any(Template.choose(tok, stops=[stop]).encode(ASK).trained)


@pytest.mark.parametrize(
  ("template", "options", "match"),
  [
    (None, {"name": "chat"}, "none. Use data.template='plain'"),
    (None, {"name": "chatml"}, "data.template='chatml' is not known. Use one of: auto, chat, plain"),
    (BOS, {"separator": "##"}, "data.separator='##' would not be used"),
  ],
)  # fmt: skip
def test_a_template_that_cannot_be_had_is_an_error(tiny, template, options, match):
  with pytest.raises(InputError, match=match):
    Template.choose(tiny(template), **options)


def test_plain_needs_eos(tiny):
  with pytest.raises(InputError, match="no EOS token"):
    Template.choose(tiny(eos=None))


def test_unknown_train_on_lists_what_is_known(tiny):
  with pytest.raises(InputError, match="data.train_on='answers'.*responses, last, all"):
    Template.choose(tiny()).encode(ASK, "answers")


@pytest.mark.parity
def test_e2e_rows_are_what_trl_trained_on(shared):
  """The batches of TRL's full run, to the id and the label (two of them cut to 256 ids)."""
  tok = load_tokenizer(shared / "models" / "stories260K")
  with open(shared / "data" / "e2e_devset.csv", encoding="utf-8", newline="") as f:
    rows = [chat((USER, r["mr"] + "\n"), (BOT, " " + r["ref"])) for r in csv.DictReader(f)]
  template = Template.choose(tok, separator=auto_separator(rows))
  ours = {
    (tuple(e.ids[:256]), tuple(np.where(e.trained, e.ids, -100).tolist()[:256]))
    for e in template.encode_many(rows)
  }
  theirs = np.load(shared / "parity" / "full" / "batches.npz")
  ids, mask, labels = (
    theirs[k].reshape(-1, 256) for k in ("input_ids", "attention_mask", "labels")
  )
  assert len(ids) == 400
  for i, n, label in zip(ids, mask.sum(-1), labels, strict=True):
    assert (tuple(i[:n].tolist()), tuple(label[:n].tolist())) in ours
