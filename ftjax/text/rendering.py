"""Messages as text, by a chat template or plainly, and whether all that they say is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ftjax.config import InputError
from ftjax.text import sandbox, thinking

if TYPE_CHECKING:
  from transformers import PreTrainedTokenizerBase

Messages = Sequence[Mapping[str, Any]]
_PLAIN = ("system", "user", "assistant")


def plain(messages: Messages, separator: str, eos: str, place: str) -> str:
  """Every user turn followed by the separator, every assistant turn by EOS."""
  after = {"system": separator or "\n", "user": separator, "assistant": eos}
  out = ""
  for i, m in enumerate(messages, 1):
    more = next((k for k in ("tools", "tool_calls", "reasoning_content") if m.get(k)), "")
    if m["role"] not in after or more:
      what = (
        "the row offers tools"
        if more == "tools"
        else f"message {i} has {more or 'the role ' + repr(m['role'])}"
      )
      raise InputError(
        f"{place}: {what}, which is not known to the plain template: it has the text of {', '.join(after)} alone. Remove "
        "it or the row, or use a model whose chat template has it."
      )
    text, end = m["content"], after[m["role"]]
    out += (text.removesuffix(end) if m["role"] == "assistant" else text) + end
  return out


def is_plain(messages: Messages) -> bool:
  """Whether the plain template can say them."""
  return all(m["role"] in _PLAIN and m.keys() <= {"role", "content", "weight"} for m in messages)


def plain_template(tokenizer: PreTrainedTokenizerBase, separator: str, lead: Sequence[int]) -> str:
  """A chat template that renders what `plain` does, to the id."""
  first = "".join(tokenizer.convert_ids_to_tokens(list(lead)))
  turn = lambda after: "{{ m['content'] + " + after + " }}"
  turns = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}" + turn("eos_token")
    + "{% elif m['role'] == 'system' %}" + turn(_json(separator or "\n"))
    + "{% else %}" + turn(_json(separator)) + "{% endif %}{% endfor %}"
  )  # fmt: skip
  # Some tokenizers put a space before a text, and none before one that follows a special token.
  tokens = lambda text: tokenizer(text, add_special_tokens=False, verbose=False).input_ids
  spaced = bool(lead) and [*lead, *tokens("a")] != tokens(first + "a")
  space = "{% if not messages[0]['content'].startswith(' ') %}{{ ' ' }}{% endif %}" * spaced
  return (
    "{{ " + ("bos_token" if first == tokenizer.bos_token else _json(first)) + " }}" + space + turns
  )


class Chat:
  """The chat template of a tokenizer. day: as in sandbox.render."""

  def __init__(self, tokenizer: PreTrainedTokenizerBase, day: str = ""):
    self.tokenizer, self.day = tokenizer, day
    self._known: dict[tuple, tuple | None] = {}
    self._as_text: bool | None = None

  def render(self, messages: Messages, prompt: bool, place: str) -> str:
    """prompt: ends with what stands before an answer. Raises InputError naming the place for what
    the template refuses."""
    try:
      return self._call(messages, prompt, any(map(_calls, messages)) and self._text_arguments())
    except (sandbox.Failed, ValueError) as e:
      roles = ", ".join(str(m.get("role")) for m in messages)
      raise InputError(
        f"{place}: the chat template cannot render these messages (roles: {roles}): {e}. Change the row, or use "
        + ("data.template='plain'." if is_plain(messages) else "a model whose template has them.")
      ) from e

  def check(self, messages: Messages, text: str, place: str) -> None:
    """Raises InputError naming the message of which `text`, the rendering of `messages`, says
    nothing."""
    said = self._unsaid(messages)
    for i, m in enumerate(messages, 1):
      content = thinking.answer(m["content"]).strip()
      if not said and not _within(content, text):
        said = f"message {i} ({m['role']})"
    if said:
      raise InputError(
        f"{place}: {said} is not in what the chat template renders. Remove it or the row, or use a model whose template "
        "has it."
      )

  def _unsaid(self, messages: Messages) -> str:
    """What of messages like these the template leaves out, found with texts that occur once."""
    count = lambda m, key: len(m.get(key, ()))
    key = tuple(
      (m["role"], bool(m["content"]), count(m, "tools"), count(m, "tool_calls")) for m in messages
    )
    if key not in self._known:
      probe, marks = _probe(messages)
      try:
        text = self.render(probe, False, "")
      except InputError:
        text = ""  # The template looks at what the texts say.
      self._known[key] = next((where for mark, where in marks if text and mark not in text), None)
    if (lost := self._known[key]) is None:
      return ""
    i, part, number = lost
    if part == "content":
      return f"message {i + 1} ({messages[i]['role']})"
    name = messages[i][part][number]["function"]["name"]
    calls = f"message {i + 1} ({messages[i]['role']}) calls {name!r}, which"
    return calls if part == "tool_calls" else f"the row offers the tool {name!r}, which"

  def _text_arguments(self) -> bool:
    """Whether the template wants the arguments of a call as JSON text rather than as a mapping."""
    if self._as_text is None:
      self._as_text = not self._speaks(as_text=False) and self._speaks(as_text=True)
    return self._as_text

  def _speaks(self, as_text: bool) -> bool:
    """Whether a call is rendered, and as JSON or the like rather than as Python or escaped."""
    function = {"name": "probe", "arguments": {"probed": "a probe's value"}}
    call = {"id": "probe0000", "type": "function", "function": function}
    messages = [
      {"role": "user", "content": "ask"},
      {"role": "assistant", "content": "", "tool_calls": [call]},
    ]
    try:
      text = self._call(messages, False, as_text)
    except (sandbox.Failed, ValueError):
      return False
    return "a probe's value" in text and not any(x in text for x in ("{'probed'", '\\"probed'))

  def _call(self, messages: Messages, prompt: bool, as_text: bool) -> str:
    given = [{k: v for k, v in m.items() if k not in ("weight", "tools")} for m in messages]
    for m in given if as_text else ():
      functions = [(c, c["function"]) for c in _calls(m)]
      if functions:
        m["tool_calls"] = [
          c | {"function": f | {"arguments": _json(f["arguments"])}} for c, f in functions
        ]
    tools = messages[0].get("tools") if messages else None
    return sandbox.render(self.tokenizer, given, tools=tools, prompt=prompt, day=self.day)


def _calls(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
  return message.get("tool_calls", ())


def _json(value: Any) -> str:
  return json.dumps(value, ensure_ascii=False)


def _within(content: str, text: str) -> bool:
  return content in text or _json(content)[1:-1] in text or json.dumps(content)[1:-1] in text


def _probe(messages: Messages) -> tuple[list[dict[str, Any]], list[tuple[str, tuple]]]:
  """(messages like these with texts of their own, [(a text, (message, key, number)), ...])."""
  out, marks = [], []
  for i, m in enumerate(messages):
    new = {k: v for k, v in m.items() if k != "reasoning_content"}
    if m["content"]:
      new["content"] = f"what message {i} says"
      marks.append((new["content"], (i, "content", 0)))
    for key in ("tools", "tool_calls"):
      for number, part in enumerate(m.get(key, ())):
        name, value = f"{key}_{i}_{number}_name", f"{key}_{i}_{number}_value"
        function = part["function"] | {"name": name}
        marks.append((name, (i, key, number)))
        if key == "tool_calls":
          function["arguments"] = {"of": value}
          marks.append((value, (i, key, number)))
        new[key] = [*(new[key] if number else ()), part | {"function": function}]
    out.append(new)
  return out, marks
