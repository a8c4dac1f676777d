"""The prompts that a model writes for when it is judged."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ftjax.evaluate.outputs import Asked
from ftjax.log import say

LEAD = 24  # tokens of a plain text that stand for its prompt


def validation_prompts(
  data, tokenizer, limit: int, *, room: int, max_new_tokens: int
) -> list[dict[str, Any]]:
  """Up to `limit` distinct prompts of data's validation rows: {"prompt": text, "brief": what people
  wrote of it, "asked": its messages or text, "ids": [...], "references": [text, ...], "most": how many
  tokens may follow}.

  room: how many tokens a prompt and its text may have together (ModelConfig.room). A prompt gets
  max_new_tokens, or what is left of the room; prompts that leave nothing of it are passed over, and
  their number is said. Plain text has no prompts: its first tokens stand for one, and what follows is
  the reference.
  """
  if tokenizer is None or limit <= 0:
    return []
  found, without_room = [], 0
  for prompt in _distinct(data, tokenizer):
    if len(found) == limit:
      break
    most = min(max_new_tokens, room - len(prompt["ids"]))
    if most > 0:
      found.append(prompt | {"most": most})
    else:
      without_room += 1
  if without_room:
    say(
      f"{without_room} of {len(found) + without_room} validation prompts fill the model's context of "
      f"{room} tokens and leave no room for an answer: nothing is written for them."
    )
  return found


def asked_of(prompts: Sequence[Mapping[str, Any]]) -> Asked:
  """What metrics compare texts with, for prompts as `validation_prompts` gives them."""
  return Asked([p.get("brief", "") for p in prompts], [p["references"] for p in prompts])


def _distinct(data, tokenizer):
  """Every prompt without "most", in the order of the rows."""
  rows = data.validation
  if data.template is not None:
    references: dict[str, list[str]] = {}
    first: dict[str, Any] = {}
    for prompt, reference in zip(rows.prompts, rows.references, strict=True):
      key = json.dumps(prompt)
      references.setdefault(key, []).append(reference)
      first.setdefault(key, prompt)
    for key, prompt in first.items():
      yield {
        "prompt": data.template.render_text(prompt),
        "brief": _written(prompt),
        "asked": prompt,
        "ids": data.template.render_prompt(prompt),
        "references": references[key],
      }
    return
  text = lambda part: tokenizer.decode(part, skip_special_tokens=True)
  for i in range(len(rows)):
    ids, trained = rows.row(i)
    lead = int(trained.argmax()) if data.format == "tokens" else 0
    lead = lead if lead > 1 else min(LEAD, len(ids) // 2)
    if lead:
      yield {
        "prompt": text(ids[:lead]),
        "ids": ids[:lead].tolist(),
        "references": [text(ids[lead:])],
      }


def _written(prompt) -> str:
  """A prompt without its template: what everybody but the assistant says."""
  if isinstance(prompt, str):
    return prompt
  return "\n".join(m["content"] for m in prompt if m["role"] != "assistant" and m.get("content"))
