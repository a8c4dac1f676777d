"""Messages: the one form that all readers bring them into, and what makes one right.

{"role": "system" | "user" | "assistant" | "tool", "content": text}, and where a row has them:

  weight             0 = an answer that is not trained on
  tool_calls         an answer's: [{"type": "function", "function": {"name", "arguments": {...}}}], with "id"
  tool_call_id, name a tool's result: which call it answers
  reasoning_content  what an answer thought before it was given
  tools              of the first message: what the row offers to call, as JSON schemas
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ftjax.config import InputError
from ftjax.plugin import did_you_mean

Message = dict[str, Any]
ROLES = ("system", "user", "assistant", "tool")
SAME = {
  "developer": "system", "human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant",
  "function_call": "assistant", "observation": "tool", "function": "tool",
}  # fmt: skip
_REASONING = ("reasoning_content", "reasoning", "thinking")
_ARGUMENTS = ("arguments", "parameters", "args", "input")  # of a call
# What other programs say of a turn in place of a weight, and whether true means that it is trained on.
_TRAINED = {"train": True, "training": True, "trainable": True, "loss": True, "masked": False}


def normal(value: Any, where: str, trained: bool = True) -> list[Message]:
  """Messages in their one form. Takes {"role", "content"} and sharegpt's {"from", "value"}, content
  in parts that are all text, and calls as lists, JSON text, or lists of JSON text.

  where: the row's place and column, for errors. trained: False = answers are trained on only where
  their weight is 1. Raises InputError that names the message's number and what is wrong with it.
  """
  if not isinstance(value, (list, tuple)) or not value:
    raise InputError(f"{where} must be a list of messages, but is {kind(value)}.")
  out = [_message(m, f"{where}, message {i}", trained) for i, m in enumerate(value, 1)]
  return offering(out, value[0].get("tools"), where)


def offering(messages: list[Message], tools: Any, where: str) -> list[Message]:
  """`messages` with what they offer to call, which stands in the first: `tools`, as a list, JSON text
  or a list of JSON text, or what one of them offers already."""
  own = next((m["tools"] for m in messages if "tools" in m), None)
  offered = _tools(tools, where) if tools else own
  messages = [{k: v for k, v in m.items() if k != "tools"} for m in messages]
  return [messages[0] | {"tools": offered}, *messages[1:]] if offered else messages


def continued(
  asked: list[Message], answer: list[Message], where: str
) -> tuple[list[Message], list[Message]]:
  """(asked, answer), where the answer may come as a whole conversation that says again what was
  asked. Raises InputError where it begins with anything else than the assistant's message."""
  if answer[0]["role"] == "assistant":
    return asked, answer
  end = next((i for i, m in enumerate(answer) if m["role"] == "assistant"), len(answer))
  while end < len(answer) and len(_spoken(answer[:end])) < len(_spoken(asked)):
    end += 1
  again = answer[:end]
  systems = [[m["content"] for m in some if m["role"] == "system"] for some in (asked, again)]
  if (
    _spoken(again) != _spoken(asked)
    or end == len(answer)
    or (all(systems) and systems[0] != systems[1])
  ):
    raise InputError(
      f"{where} begins with a message of the {answer[0]['role']} that is not the prompt's. It must be the answer alone, or "
      "begin with the prompt's messages. If it is the whole conversation, use it without a prompt: "
      "--config.data.fields.messages=COLUMN."
    )
  if systems[1] and not systems[0]:
    asked = [m | {"weight": 0} if m["role"] == "assistant" else m for m in again]
  return asked, answer[end:]


def _spoken(messages: list[Message]) -> list[tuple[str, str]]:
  return [(m["role"], said(m).strip()) for m in messages if m["role"] != "system"]


def text(value: Any, where: str) -> str:
  """A text, out of parts where it comes in parts. Raises InputError for anything else, and for what
  is no Unicode."""
  if isinstance(value, bytes):
    try:
      value = value.decode("utf-8")
    except UnicodeDecodeError as e:
      raise InputError(f"{where} is not UTF-8 text ({e.reason}).") from e
  if isinstance(value, (list, tuple)):
    return "".join(_part(part, f"{where}, part {i}") for i, part in enumerate(value, 1))
  if not isinstance(value, str):
    raise InputError(f"{where} must be text, but is {kind(value)}.")
  return unicode(value, where)


def unicode(value: str, where: str) -> str:
  """`value`, unless it holds half of a surrogate pair, which JSON can say and UTF-8 cannot."""
  try:
    value.encode()
  except UnicodeEncodeError as e:
    raise InputError(
      f"{where}: half a surrogate pair, \\u{ord(value[e.start]):04x}, at character {e.start + 1} of {value[:30]!r}..., "
      "which is no Unicode text. Mend or remove the row."
    ) from e
  return value


def said(message: Message) -> str:
  """What a message says, its calls included, as text."""
  calls = (
    f"{c['function']['name']}({json.dumps(c['function']['arguments'], ensure_ascii=False)})"
    for c in message.get("tool_calls", ())
  )
  return "\n".join(filter(None, [message["content"], *calls]))


def kind(value: Any) -> str:
  """A value's type and beginning, for errors."""
  shown = repr(value)
  return f"{type(value).__name__} {shown[:40] + '...' if len(shown) > 43 else shown}"


def _message(m: Any, where: str, trained: bool) -> Message:
  if not isinstance(m, Mapping):
    raise InputError(
      f'{where}: a message must be {{"role": ..., "content": ...}} or {{"from": ..., "value": ...}}, but is {kind(m)}.'
    )
  given = _first(m, "role", "from")
  if given is None:
    raise InputError(
      f"{where} has no 'role' (or 'from'); it has {', '.join(map(repr, m)) or 'nothing'}."
    )
  if not isinstance(given, str):
    raise InputError(f"{where}: 'role' must be text, but is {kind(given)}.")
  role = SAME.get(given, given)
  if role not in ROLES:
    raise InputError(
      f"{where} has the role {given!r}. Use one of: {', '.join(ROLES)}.{did_you_mean(role, ROLES)}"
    )
  where = f"{where} ({role})"
  content, calls = _first(m, "content", "value"), _first(m, "tool_calls", "function_call")
  if given == "function_call":  # sharegpt's turn that is a call
    content, calls = None, content
  out: Message = {"role": role}
  calls = _calls(calls, where)
  if content is None and not calls:
    missing = "'content' is null" if "content" in m or "value" in m else "there is no 'content'"
    raise InputError(f"{where}: {missing}. Write the text, or remove the row.")
  out["content"] = "" if content is None else text(content, f"{where}: 'content'")
  if calls and role != "assistant":
    raise InputError(f"{where}: only the assistant calls tools. Remove its 'tool_calls'.")
  if role == "assistant":
    if not calls and not out["content"].strip():
      raise InputError(
        f"{where}: no trained token: the answer is empty. Write one, or remove the row."
      )
    reasoning = _first(m, *_REASONING)
    out |= {"reasoning_content": text(reasoning, f"{where}: reasoning")} if reasoning else {}
    out |= {"tool_calls": calls} if calls else {}
  elif role == "tool":
    names = ("tool_call_id", "name")
    out |= {k: text(m[k], f"{where}: {k!r}") for k in names if m.get(k) is not None}
  return out | _weight(m, role, where, trained)


def _first(m: Mapping[str, Any], *names: str) -> Any:
  return next((m[name] for name in names if m.get(name) is not None), None)


def _part(part: Any, where: str) -> str:
  if isinstance(part, Mapping) and part.get("type", "text") == "text" and "text" in part:
    return text(part["text"], f"{where}: 'text'")
  what = f"of type {part['type']!r}" if isinstance(part, Mapping) and "type" in part else kind(part)
  if isinstance(part, Mapping) and part.get("type") == "text":
    what = "without its 'text'"
  raise InputError(
    f'{where} is {what}; only text is trained on. Write {{"type": "text", "text": ...}}, or remove the row.'
  )


def _weight(m: Mapping[str, Any], role: str, where: str, trained: bool) -> Message:
  """{"weight": 0} for an answer that is not trained on, as in OpenAI's fine-tuning format, or as others
  say it."""
  weight, said = m.get("weight"), "weight"
  if weight is None:
    said = next((k for k in _TRAINED if isinstance(m.get(k), bool)), said)
    weight = m[said] is _TRAINED[said] if said in _TRAINED else None
  if weight is not None and (isinstance(weight, (str, bytes)) or weight not in (0, 1)):
    raise InputError(f"{where}: 'weight' must be 0 (not trained on) or 1, but is {weight!r}.")
  if role != "assistant":
    if weight:
      raise InputError(
        f"{where}: {said!r} is {m[said]!r}, but only the assistant's messages are trained on. Remove it."
      )
    return {}
  return {} if weight or (weight is None and trained) else {"weight": 0}


def _calls(value: Any, where: str) -> list[dict[str, Any]]:
  out = []
  for i, call in enumerate(_listed(value, f"{where}: the tool calls"), 1):
    at = f"{where}, call {i}"
    inner = call.get("function") or call
    if (
      not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str) or not inner["name"]
    ):
      raise InputError(
        f'{at} must be {{"type": "function", "function": {{"name": ..., "arguments": ...}}}}, but is {kind(call)}.'
      )
    whole = {**call, **inner}  # Some write the arguments beside the function.
    given = _first(whole, *_ARGUMENTS)
    lost = [
      k
      for k, v in whole.items()
      if given is None and k != "function" and isinstance(v, Mapping) and v
    ]
    if lost:
      raise InputError(
        f"{at} has no 'arguments', but {', '.join(map(repr, lost))}, which would be lost. Call it 'arguments'."
      )
    known = _json(given or {}, at)
    if not isinstance(known, Mapping):
      raise InputError(f"{at}: 'arguments' must be a JSON object, but is {kind(given)}.")
    named = {"id": text(call["id"], f"{at}: 'id'")} if call.get("id") is not None else {}
    unicode(json.dumps([inner["name"], known], ensure_ascii=False), at)
    out.append(
      named | {"type": "function", "function": {"name": inner["name"], "arguments": dict(known)}}
    )
  return out


def _tools(value: Any, where: str) -> list[dict[str, Any]]:
  out = []
  for i, tool in enumerate(_listed(value, f"{where}: the tools"), 1):
    inner = tool.get("function") or tool
    if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str):
      raise InputError(
        f'{where}: tool {i} must be {{"type": "function", "function": {{"name": ..., "parameters": ...}}}}, but is '
        f"{kind(tool)}."
      )
    known = {
      k: _json(v, f"{where}: tool {i}") if k == "parameters" else v for k, v in inner.items()
    }
    out.append({"type": "function", "function": known})
  return out


def _listed(value: Any, where: str) -> list[Mapping[str, Any]]:
  """A list of mappings, out of one, or out of JSON text; empty for what is left empty."""
  if not value:
    return []
  items = _json(value, where)
  items = items if isinstance(items, (list, tuple)) else [items]
  items = [_json(v, where) for v in items]
  if not all(isinstance(v, Mapping) for v in items):
    raise InputError(f"{where} must be a list of objects, but are {kind(value)}.")
  return items


def _json(value: Any, where: str) -> Any:
  if not isinstance(value, (str, bytes)):
    return value
  try:
    return json.loads(value)
  except (ValueError, RecursionError) as e:
    raise InputError(f"{where}: {kind(value)} is not JSON: {e}.") from e
