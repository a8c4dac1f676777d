"""Prompts answered on a terminal, one by one or as a conversation."""

import contextlib
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ftjax.config import InputError
from ftjax.language_model import LanguageModel
from ftjax.text.chat import Messages

WELCOME = "An empty line begins a new conversation; Ctrl-D ends."


def write_all(
  model: LanguageModel, prompts: Sequence[str], raw: bool, options: Mapping[str, Any]
) -> None:
  """Prints an answer to each prompt, as a turn of its own; raw: the prompt and how it goes on.

  options: keywords of `Generator.generate`. A text that was cut at the limit is named on standard
  error.
  """
  render = str if raw else model.render
  completions = model.generator.generate([render(p) for p in prompts], **options)
  for i, (prompt, completion) in enumerate(zip(prompts, completions, strict=True), 1):
    print(prompt + completion.text if raw else completion.text, flush=True)
    if not completion.finished:
      print(
        f"(Answer {i} was cut after {options['max_new_tokens']} tokens: see --max_new_tokens.)",
        file=sys.stderr,
      )


def talk(
  model: LanguageModel,
  raw: bool,
  options: Mapping[str, Any],
  read: Callable[[str], str] = input,
) -> None:
  """Answers lines as they are typed, earlier turns in view, until the input ends or Ctrl-C.

  raw: each line is a text to go on from, and nothing is kept.
  """
  with contextlib.suppress(ImportError):
    import readline  # noqa: F401  Arrow keys and earlier lines, where the platform has it.
  print(WELCOME)
  turns: Messages = []
  try:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Nothing is lost: it ends as Ctrl-D.
    while True:
      line = read("> ")
      if not line.strip():
        turns = []
        continue
      turns = [*([] if raw else turns), {"role": "user", "content": line}]
      try:
        turns, pieces = _begin(model, turns, raw, options)
      except InputError as e:
        print(e)
        turns = []
        continue
      answer = ""
      for piece in pieces:
        answer += piece
        print(piece, end="", flush=True)
      print()
      turns.append({"role": "assistant", "content": answer})
  except (EOFError, KeyboardInterrupt):
    print()


def _begin(model: LanguageModel, turns: Messages, raw: bool, options: Mapping[str, Any]):
  """(the turns that have room, the answer's pieces): the oldest turns are left out where the
  context is too short for all."""
  if raw:
    return turns, model.generator.stream(turns[-1]["content"], **options)
  for first in range(0, len(turns), 2):
    try:
      pieces = model.generator.stream(model.render(turns[first:]), **options)
    except InputError:
      if first + 1 == len(turns):
        raise
    else:
      if first:
        print("(The oldest turns are left out: the model's context is full.)")
      return turns[first:], pieces
  raise AssertionError("a conversation begins and ends with a turn of the user")
