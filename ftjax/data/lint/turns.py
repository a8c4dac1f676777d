"""Checks of the messages of a conversation. Each mends what it can in the list that it is given."""

from __future__ import annotations

from typing import Any

from ftjax.data.lint.notes import Notes, shown
from ftjax.data.lint.shape import near

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_SHAREGPT = (
  "system",
  "human",
  "gpt",
  "user",
  "assistant",
  "bot",
  "model",
  "function_call",
  "observation",
  "tool",
)
_SAME = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant", "ai": "assistant",
         "chatbot": "assistant", "customer": "user", "agent": "assistant"}  # fmt: skip
_ANSWERS = ("assistant", "gpt", "bot", "model")
_USERS = ("user", "human")
_MAY_BE_EMPTY = ("system", "developer", "tool", "function", "observation")
_CALLS = ("tool_calls", "function_call")


def check(messages: Any, name: str, notes: Notes, part: str = "whole") -> Any:
  """The messages, mended where that can be. name: their key in the row; "conversations" has
  sharegpt's keys. part: "whole", or "prompt" or "answer" where the list is that alone."""
  if not isinstance(messages, list) or not messages:
    notes.error(
      "no-messages",
      f"{name!r} is {shown(messages)}, not a list of messages.",
      'Write [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}].',
      name,
    )
    return messages
  role, content, roles = ("role", "content", ROLES)
  if any(isinstance(m, dict) and ("from" in m or "value" in m) for m in messages):
    role, content, roles = ("from", "value", _SHAREGPT)
  out = []
  for i, m in enumerate(messages, 1):
    notes.inside(name, role, i)
    out.append(_message(m, i, role, content, roles, notes))
  notes.inside()
  if notes.lost:
    return messages
  out = _without_empty_system(out, role, content, notes)
  out = _system_first(out, role, content, notes)
  out = _alternating(out, role, content, notes)
  if part == "whole":
    _beginning(out, role, notes)
  return out if part == "prompt" else _ending(out, role, notes)


def _message(m: Any, i: int, role: str, content: str, roles, notes: Notes) -> Any:
  if not isinstance(m, dict):
    notes.error(
      "not-a-message",
      f"Message {i} is {shown(m)}, not an object.",
      f'Write {{"{role}": ..., "{content}": ...}}.',
    )
    return m
  m = dict(m)
  for key in (role, content):
    if key not in m:
      slip = next((k for k in m if near(k, (role, content)) == key), "")
      if slip:
        notes.error(
          "misspelt-key", f"Message {i} has {slip!r}.", f"Did you mean {key!r}?", slip, mends=True
        )
        m = {key if k == slip else k: v for k, v in m.items()}
      elif key == role or not any(m.get(k) for k in _CALLS):
        notes.error(
          "missing-key",
          f"Message {i} has no {key!r}, only {', '.join(map(repr, m)) or 'nothing'}.",
          "Add it.",
        )
        return m
  return _content(_role(m, i, role, roles, notes), i, role, content, notes)


def _role(m: dict[str, Any], i: int, role: str, roles, notes: Notes) -> dict[str, Any]:
  given = m[role]
  if isinstance(given, str) and given in roles:
    return m
  plain = str(given).strip().lower()
  meant = plain if plain in roles else _SAME.get(plain) or near(plain, roles)
  if meant and meant not in roles:
    meant = ""
  fix = f"Did you mean {meant!r}?" if meant else f"Use one of {', '.join(roles)}."
  notes.error(
    "unknown-role", f"Message {i} has the role {shown(given)}.", fix, str(given), mends=bool(meant)
  )
  return m | {role: meant} if meant else m


def _content(m: dict[str, Any], i: int, role: str, content: str, notes: Notes) -> dict[str, Any]:
  value = m.get(content)
  calls = any(m.get(k) for k in _CALLS)
  if isinstance(value, list) and value:
    return m  # Content in parts: reading it will tell which is no text.
  if value is not None and not isinstance(value, str):
    if notes.not_text(f"Message {i}", value, content):
      return m | {content: shown(value)}
  elif not (value or "").strip() and not calls and m[role] not in _MAY_BE_EMPTY:
    tell = notes.warning if m[role] in _USERS and value is not None else notes.error
    what = "empty" if value is not None else "null"
    tell("empty", f"Message {i} ({m[role]}) is {what}.", "Write it, or remove the row.", content)
  if isinstance(value, str) and m[role] in _ANSWERS and value.strip() and value != value.strip():
    notes.warning(
      "outer-space",
      f"Message {i} begins or ends in white space, which would be learnt.",
      "Strip it.",
      value,
      mends=True,
    )
    return m | {content: value.strip()}
  return m


def _without_empty_system(messages, role, content, notes: Notes):
  out = [m for m in messages if m[role] != "system" or str(m.get(content) or "").strip()]
  if len(out) < len(messages):
    notes.warning(
      "empty-system", "The system message is empty.", "Leave it out.", "system", mends=True
    )
  return out


def _system_first(messages, role, content, notes: Notes):
  systems = [m for m in messages if m[role] == "system"]
  texts = [m.get(content) for m in systems]
  if not systems or messages[: len(systems)] == systems and len(systems) == 1:
    return messages
  if not all(isinstance(t, str) for t in texts):
    return messages
  what = (
    "A system message stands after the first turn."
    if len(systems) == 1
    else f"{len(systems)} system messages."
  )
  notes.error("system-not-first", what, "Put one, first.", "system", mends=True)
  one = systems[0] | {content: "\n\n".join(texts)}
  return [one, *(m for m in messages if m[role] != "system")]


def _alternating(messages, role, content, notes: Notes):
  """Turns of one speaker in a row become one."""
  out: list[Any] = []
  for i, m in enumerate(messages, 1):
    before = out[-1] if out else {}
    same = m[role] == before.get(role) and m[role] in _ANSWERS + _USERS
    plain = all(isinstance(x.get(content), str) for x in (m, before))
    alike = {k: v for k, v in m.items() if k != content} == {
      k: v for k, v in before.items() if k != content
    }
    if same:
      mends = plain and alike
      notes.warning(
        "same-turn",
        f"Message {i} is the {m[role]}'s again.",
        "Make the two one, or add the turn between.",
        m[role],
        mends=mends,
      )
      if mends:
        out[-1] = before | {content: f"{before[content]}\n\n{m[content]}"}
        continue
    out.append(m)
  return out


def _beginning(messages, role, notes: Notes) -> None:
  first = next((m[role] for m in messages if m[role] not in ("system", "developer")), "")
  if first in _ANSWERS:
    notes.warning(
      "assistant-first",
      "The assistant speaks first; many chat templates refuse that.",
      "Begin with the user's turn.",
      first,
    )


def _ending(messages, role, notes: Notes):
  answers = [i for i, m in enumerate(messages) if m[role] in _ANSWERS]
  if not answers:
    notes.error(
      "no-answer",
      "No message is the assistant's, so there is nothing to train on.",
      "Add the answer, or remove the row.",
    )
    return messages
  weights = [messages[i].get("weight") for i in answers]
  if odd := [w for w in weights if isinstance(w, str) or w not in (None, 0, 1)]:
    notes.error(
      "weight",
      f"An answer's weight is {shown(odd[0])}.",
      "Write 0 (not trained on) or 1.",
      "weight",
    )
  if all(w == 0 and w is not None for w in weights):
    notes.error(
      "no-answer",
      "Every answer has weight 0, so there is nothing to train on.",
      "Give one weight 1, or remove the row.",
      "weight",
    )
  if answers[-1] + 1 < len(messages) and messages[answers[-1] + 1][role] in _USERS:
    notes.error(
      "no-last-answer",
      "The last message is not the assistant's.",
      "Cut what follows the last answer, or add one.",
      mends=True,
    )
    return messages[: answers[-1] + 1]
  return messages
