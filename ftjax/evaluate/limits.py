"""Whether texts had the room that their references need."""

from collections.abc import Mapping, Sequence
from typing import Any

from ftjax.generate.generator import Completion

STEP = 16  # Limits are named in multiples of this.


def too_short(
  tokenizer,
  prompts: Sequence[Mapping[str, Any]],
  completions: Sequence[Completion],
  limit: int,
  key: str,
) -> list[str]:
  """A warning if texts were cut at `limit` tokens while references are longer: BLEU, chrF and facts
  then compare beginnings with whole texts. key: what the limit is called in the config."""
  cut = sum(not c.finished for c in completions)
  lengths = [
    len(tokenizer(text, add_special_tokens=False, verbose=False).input_ids) + 1  # and the end
    for prompt in prompts
    for text in prompt["references"]
  ]
  longer = sum(n > limit for n in lengths)
  if not cut or not longer:
    return []
  enough = -(-max(lengths) // STEP) * STEP
  return [
    f"{cut / len(completions):.0%} of the tuned model's texts were cut at {key}={limit}, and "
    f"{longer / len(lengths):.0%} of the references are longer (up to {max(lengths)} tokens). The "
    f"scores of texts compare beginnings with whole texts: set {key}={enough}."
  ]
