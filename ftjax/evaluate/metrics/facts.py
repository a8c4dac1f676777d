"""Facts of a brief that its text states, and values that the text makes up, wherever the prompts
have fields."""

from collections import Counter
from collections.abc import Mapping, Sequence

from ftjax.evaluate.briefs import Briefs
from ftjax.evaluate.outputs import Asked
from ftjax.generate.generator import Completion

KIND = "texts"
FLOOR = True
SHOWN = (
  ("facts/stated", "facts stated", "{:.0%}"),
  ("facts/stated/*", "  {}", "{:.0%}"),
  ("facts/instruction/*", "  {} (an instruction)", "{:.0%}"),
  ("facts/invented", "texts that invent a value", "{:.0%}"),
)


def update(batch: Asked, outputs: Sequence[Completion]) -> dict[str, Counter]:
  """Counts by field: of values, of values that their text states, of texts that invent one; ""
  stands for all facts together."""
  briefs = Briefs(batch)
  values, stated, invented = Counter(), Counter(), Counter()
  for i, completion in enumerate(outputs):
    if not briefs.has_fields(i):
      continue
    for fact in briefs.stated(i, completion.text):
      for name in {fact.field, *([""] if fact.field in briefs.facts else [])}:
        values[name] += 1
        stated[name] += fact.span is not None
    made_up = {fact.field for fact in briefs.invented(i, completion.text)}
    invented.update({"": bool(made_up), **dict.fromkeys(made_up, 1)})
    invented["texts"] += 1
  return {"values": values, "stated": stated, "invented": invented, "facts": Counter(briefs.facts)}


def result(sums: Mapping[str, Counter]) -> dict[str, float]:
  """facts/stated: share of the values that their text states; facts/stated/FIELD: of one field's.
  facts/instruction/FIELD: of a field that the references rarely state, as a tone is; it does not
  count in facts/stated. facts/invented: share of texts that say a number or another brief's value which neither their
  brief nor its references have. facts/texts: how many texts had fields. {} where no prompt has any.
  """
  values, stated, invented = (sums[k] for k in ("values", "stated", "invented"))
  if not values:
    return {}
  share = {name: stated[name] / n for name, n in values.items()}
  found = {"facts/stated": share.pop("")} if "" in share else {}
  kind = lambda name: "stated" if name in sums["facts"] else "instruction"
  found |= {f"facts/{kind(name)}/{name}": x for name, x in share.items()}
  texts = invented["texts"]
  found |= {"facts/invented": invented[""] / texts, "facts/texts": texts}
  return found
