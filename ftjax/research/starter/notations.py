"""Ways to write down facts before a text about them. A model that has seen many notations learns a
new one quickly; none of these has the quickstart's keys in its order, which has to be news to it."""

from collections.abc import Sequence
from typing import NamedTuple

Rows = Sequence[tuple[str, str]]


class Notation(NamedTuple):
  """How a fact is written ({k} is its key, {K} with a capital, {v} its value), and what stands
  between two, before all and after all."""

  fact: str
  between: str
  before: str = ""
  after: str = ""

  def write(self, rows: Rows) -> str:
    facts = (self.fact.format(k=k, K=k.capitalize(), v=v) for k, v in rows)
    return self.before + self.between.join(facts) + self.after


NOTATIONS = (
  Notation("{K}: {v}", "\n"),
  Notation("{K}: {v}", "\n"),
  Notation("- {k}: {v}", "\n"),
  Notation("{k} = {v}", "; "),
  Notation("{k} ({v})", ", "),
  Notation("{k} -> {v}", "\n"),
  Notation("{k}: {v}", "; "),
  Notation("{k}: {v}", " | "),
  Notation("{k}: {v}", " | "),
  Notation("<{k}>{v}</{k}>", ""),
  Notation('"{k}": "{v}"', ", ", "{", "}"),
  Notation("#{k} {v}", " "),
  Notation("{v}", " / "),
  Notation("{k} {v}", ", ", "Please write about this: ", "."),
)
BELOW = ("\n", "\n", "\n\n", "\n\n", "\nText: ", "\nDescription: ", "\n\nText:\n", "\n=> ", "\nIn words: ")  # fmt: skip
