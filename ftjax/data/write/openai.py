"""Fine-tuning JSONL as OpenAI-style endpoints take it.

A conversation is {"messages": [{"role", "content"}, ...]}, with "weight": 0 on answers that are not
trained on, and "tools" where it calls some; a preference pair is {"input": {"messages": [...]}, "preferred_output": [answer],
"non_preferred_output": [answer]}. Sources: the schemas FineTuneChatRequestInput and
FineTunePreferenceRequestInput of OpenAI's API reference, its guides to supervised fine-tuning and
direct preference optimization, and the format checks of its cookbook ("Data preparation and
analysis for chat model fine-tuning"). The row's origin, title and weight have no place in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ftjax.config import InputError
from ftjax.data.example import Example, Message
from ftjax.data.lines import write_lines
from ftjax.data.preference import parts
from ftjax.log import say

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
# Keys of a message beside role, content and weight.
_MORE = ("name", "refusal", "tool_calls", "tool_call_id")
_MINIMUM_ROWS = 10  # An endpoint refuses fewer.
_MAXIMUM_BYTES = 512 * 10**6  # Of one uploaded file.


def write(examples: Iterable[Example], path: str | Path) -> int:
  """Writes one JSON object a line; returns the number of rows. Says so where an endpoint would
  refuse the file as too small or too large. Raises InputError naming the row for what the format
  cannot say; then nothing is written."""
  count = write_lines(examples, path, row)
  size = Path(path).stat().st_size
  name = f"{Path(path).parent.name}/{Path(path).name}"  # The folder may have another place later.
  if count < _MINIMUM_ROWS:
    say(f"{name}: {count} rows; OpenAI-style endpoints ask for at least {_MINIMUM_ROWS}.")
  if size > _MAXIMUM_BYTES:
    say(f"{name}: {size / 1e6:,.0f} MB; OpenAI-style endpoints take 512 MB a file. Split it.")
  return count


def row(example: Example) -> dict[str, Any]:
  """The row as it is written. Raises InputError naming the row: for a document, an unknown role, an
  empty message, a weight other than 0 or 1, a conversation that does not end in an answer, and one
  that has no answer with weight."""
  place = example.origin.place
  if example.kind == "text":
    raise InputError(
      f"{place}: a document cannot be said as a conversation, which the openai format takes. Make rows with a prompt of "
      "documents: --config.rows=title, outline, section or opening, or --config.prompt='Write about {title}.'; or leave "
      "openai out of --config.write.formats."
    )
  if example.kind == "preference":
    prompt, chosen, rejected = parts(example)
    bare = lambda m: {k: v for k, v in _message(m, place).items() if k != "weight"}
    return {
      "input": {"messages": [bare(m) for m in prompt]} | _offered(prompt),
      "preferred_output": [bare(chosen)],
      "non_preferred_output": [bare(rejected)],
    }
  messages = [_message(m, place) for m in example.messages]
  if messages[-1]["role"] != "assistant":
    raise InputError(
      f"{place}: the last message is the {messages[-1]['role']}'s; the openai format ends in the assistant's. Cut what "
      "follows the last answer."
    )
  if not any(m["role"] == "assistant" and m.get("weight", 1) for m in messages):
    raise InputError(f"{place}: every answer has weight 0, so nothing would be trained on.")
  return {"messages": messages} | _offered(example.messages)


def _offered(messages: Sequence[Message]) -> dict[str, Any]:
  tools = messages[0].get("tools")
  return {"tools": tools} if tools else {}


def _message(message: Message, place: str) -> Message:
  role, content = message["role"], message["content"]
  if role not in ROLES:
    raise InputError(f"{place}: the openai format has no role {role!r}; it has {', '.join(ROLES)}.")
  if not content.strip() and role != "tool" and not message.get("tool_calls"):
    raise InputError(f"{place}: the {role} message is empty. Write it, or remove the row.")
  out = {"role": role, "content": content}
  out |= {k: message[k] for k in _MORE if message.get(k) is not None}
  if "tool_calls" in out:  # whose arguments are text there
    functions = ((call, call["function"]) for call in out["tool_calls"])
    text = lambda value: json.dumps(value, ensure_ascii=False)
    out["tool_calls"] = [
      c | {"function": f | {"arguments": text(f["arguments"])}} for c, f in functions
    ]
  weight = message.get("weight")
  if weight is not None and role == "assistant":
    if weight not in (0, 1):
      raise InputError(
        f"{place}: an answer's weight is 0 or 1 in the openai format, and this one's is {weight!r}."
      )
    out["weight"] = int(weight)
  return out
