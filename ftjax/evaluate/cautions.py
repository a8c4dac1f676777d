"""What a reader of a table should know before believing it, as sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from ftjax.evaluate.floor import FLOOR
from ftjax.generate.generator import Completion

STEP = 16  # Limits are named in multiples of this.


def too_short(
  tokenizer,
  prompts: Sequence[Mapping[str, Any]],
  completions: Sequence[Completion],
  limit: int,
  key: str,
) -> list[str]:
  """Texts were cut at `limit` tokens while references are longer: BLEU, chrF and facts then compare
  beginnings with whole texts. key: what the limit is called in the config."""
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


def no_gain(scores: Mapping[str, Mapping[str, float]]) -> list[str]:
  """The tuned model's texts answer their prompts no better than texts of other prompts do."""
  floor, tuned = scores.get(FLOOR, {}), scores.get("tuned", {})
  both = [k for k in ("bleu", "chrf", "facts/stated") if k in floor and k in tuned]
  if not both or any(tuned[k] > floor[k] for k in both):
    return []
  return [
    "The tuned model's texts score no higher than the references of other prompts do: they do not "
    "follow their prompts. Train longer, with a higher optim.learning_rate, or a larger model."
  ]


def cut_rows(report) -> list[str]:
  """Training rows lost their end to data.max_length, and the end token with it. report: of the
  data (data/report.py)."""
  if not report.cut:
    return []
  if report.full:
    return [
      f"{report.cut:.1%} of the rows lost their end to the model's {report.max_length} positions, and the end "
      "token with it: texts may not end. Set data.overlong=drop, or take a model with more positions."
    ]
  return [
    f"{report.cut:.1%} of the rows lost their end to data.max_length={report.max_length}, and the end "
    f"token with it: texts may not end. Set data.max_length={report.lengths['longest']} for all of "
    f"them, or {report.lengths['99%']} for 99%."
  ]
