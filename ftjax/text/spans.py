"""Where in a conversation's text its answers stand, and which rows it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ftjax.config import InputError
from ftjax.text import thinking
from ftjax.text.rendering import Messages, is_plain

if TYPE_CHECKING:
  from ftjax.text.chat import Template


def texts(
  template: Template, messages: Messages, train_on: str, place: str
) -> list[tuple[str, list[tuple[int, int]]]]:
  """(text, the spans of it that are trained on, as character offsets) of each row that a
  conversation becomes."""
  answers = [i for i, m in enumerate(messages) if m["role"] == "assistant"]
  if not answers:
    raise InputError(
      f"{place}: no trained token: the row has no assistant turn (roles: "
      f"{', '.join(m['role'] for m in messages) or 'none'}). Give it one, or remove the row."
    )
  text = template.render(messages, False, place)
  if template.kind == "chat":
    template.chat.check(messages, text, place)
  if train_on == "all":
    return [(text, [(0, len(text))])]
  chosen = [i for i in answers if messages[i].get("weight") != 0]
  if not chosen:
    raise InputError(
      f"{place}: no trained token: every answer has the weight 0. Give one the weight 1, or remove the row."
    )
  rows = []
  for i in chosen if train_on == "responses" else chosen[-1:]:
    turn = text if i + 1 == len(messages) else template.render(messages[: i + 1], False, place)
    start = _start(template, messages[: i + 1], turn, place)
    _check_answer(messages[i], turn[start:], f"{place}: message {i + 1}")
    rows.append((turn, [(start, len(turn))]))
  if all(text.startswith(turn) for turn, _ in rows):
    return [(text, [span for _, spans in rows for span in spans])]
  return rows


def _start(template: Template, messages: Messages, turn: str, place: str) -> int:
  """Where the last of the messages, an answer, begins in their text: after the prompt, with which
  the role's header ends."""
  before = messages[:-1]
  if before:
    prompt = template.render(before, True, place)
    if not turn.startswith(prompt):
      plain = " or data.template='plain'" if is_plain(messages) else ""
      raise InputError(
        f"{place}: the chat template is not prefix-preserving: the prompt up to message {len(messages)} is not how the "
        f"answered conversation begins{_fork(prompt, turn)}. So the trained part cannot be told from the rest. Use "
        f"data.train_on='all'{plain}."
      )
    return len(prompt)
  if template.kind == "plain":
    return 0
  ask = [{"role": "user", "content": "q"}]
  asked, answered = (template.render(ask, prompt, place) for prompt in (False, True))
  header = answered[_same(asked, answered) :]
  for mark in (header, messages[0]["content"]):
    if mark and (at := turn.find(mark)) >= 0:
      return at + len(header) * (mark is header)
  raise InputError(
    f"{place}: the conversation begins with an answer, and where it begins in the chat template's text cannot be told. "
    "Begin it with the user's turn."
  )


def _check_answer(answer: Mapping[str, Any], rendered: str, place: str) -> None:
  """Raises InputError where an answer, its reasoning or its calls are not in the trained part."""
  parts = {"text": thinking.answer(answer["content"]).strip()}
  parts["reasoning"] = answer.get("reasoning_content", "").strip()
  for call in answer.get("tool_calls", ()):
    parts[f"call of {call['function']['name']!r}"] = call["function"]["name"]
  for what, said in parts.items():
    if said not in rendered:
      raise InputError(
        f"{place}: no trained token: the {what} of the answer is not in what the template renders of it. "
        "Remove it or the row, or use a model whose template has it."
      )


def _same(a: str, b: str) -> int:
  """How many characters two texts begin with in common."""
  return next(
    (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
  )


def _fork(part: str, whole: str) -> str:
  """Where two texts part ways, for an error."""
  i = _same(part, whole)
  return f" (character {i}: {part[i : i + 30]!r} against {whole[i : i + 30]!r})"
