"""Answers on a terminal, with a stub in the model's place."""

import signal

import pytest

from ftjax import conversation
from ftjax.config import InputError
from ftjax.generate.generator import Completion

OPTIONS = dict(max_new_tokens=7)


class Stub:
  """Stands for a LanguageModel with room for three turns, and for its generator."""

  def __init__(self):
    self.generator, self.asked = self, []

  def render(self, messages):
    if isinstance(messages, str):
      return f"<{messages}>"
    return "".join(f"<{m['content']}>" for m in messages)

  def stream(self, prompt, **options):
    assert options == OPTIONS
    if prompt.count("<") > 3 or "long" in prompt:
      raise InputError("no room")
    self.asked.append(prompt)
    return iter(["to ", str(len(self.asked))])

  def generate(self, prompts, **options):
    self.asked += prompts
    return [Completion(" yes", (), "length" if "cut" in p else "stop") for p in prompts]


def typed(*lines):
  """Lines of a terminal that then ends; an exception is raised in their place."""
  left = iter(lines)

  def read(prompt):
    line = next(left, EOFError())
    if isinstance(line, BaseException):
      raise line
    return line

  return read


def test_a_conversation_keeps_its_turns_and_leaves_the_oldest_out(capsys):
  model = Stub()
  conversation.talk(model, False, OPTIONS, typed("a", "b", "c", "", "d", KeyboardInterrupt()))
  assert model.asked == ["<a>", "<a><to 1><b>", "<b><to 2><c>", "<d>"]
  out = capsys.readouterr().out
  assert out.startswith(conversation.WELCOME + "\nto 1\nto 2\n(The oldest turns are left out")
  assert out.endswith("to 3\nto 4\n\n")


def test_a_line_that_has_no_room_is_answered_with_the_reason(capsys):
  model = Stub()
  conversation.talk(model, False, OPTIONS, typed("a", "long", "b"))
  assert model.asked == ["<a>", "<b>"] and "\nno room\nto 2\n" in capsys.readouterr().out


def test_raw_lines_are_texts_to_go_on_from():
  model = Stub()
  conversation.talk(model, True, OPTIONS, typed("a", "b"))
  assert model.asked == ["a", "b"]


@pytest.mark.parametrize("raw, asked, out", [(False, "<{}>", " yes\n"), (True, "{}", "{} yes\n")])
def test_prompts_go_through_the_template_unless_raw(capsys, raw, asked, out):
  model = Stub()
  conversation.write_all(model, ["a", "cut"], raw, OPTIONS)
  printed = capsys.readouterr()
  assert model.asked == [asked.format("a"), asked.format("cut")]
  assert printed.out == out.format("a") + out.format("cut")
  assert printed.err == "(Answer 2 was cut after 7 tokens: see --max_new_tokens.)\n"


def test_ctrl_c_ends_a_conversation_whatever_a_script_made_of_it():
  def pressed(prompt):
    signal.raise_signal(signal.SIGINT)
    pytest.fail("Ctrl-C was not heard")

  old = signal.signal(signal.SIGINT, lambda *_: pytest.exit("the script's own handler"))
  try:
    conversation.talk(Stub(), False, OPTIONS, pressed)
  finally:
    signal.signal(signal.SIGINT, old)
