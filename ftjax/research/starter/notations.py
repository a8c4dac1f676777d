"""Facts first, text below: the layout that a brief and its copy have, in several notations.

A model that has seen many notations learns a new one quickly; none of these is the quickstart's,
which has to be news to it.
"""

from collections.abc import Callable, Sequence

from ftjax.research.starter.writer import Facts, Writer, listing

Rows = Sequence[tuple[str, str]]

# What a notation may call each fact.
TITLES = {
  "name": "name|title|called",
  "kind": "type|kind|what it is",
  "maker": "maker|made by|company",
  "material": "material|made of",
  "colour": "colour|finish",
  "price": "price|cost|from",
  "use": "use|good for",
  "feature": "feature|detail|has",
  "audience": "for|suitable for|audience",
  "weight": "weight",
  "guarantee": "guarantee",
  "town": "made in",
  "delivery": "delivery",
  "area": "area|district|where",
  "landmark": "near|next to",
  "address": "address|street",
  "mood": "mood|atmosphere",
  "known": "known for|speciality|offers",
  "amount": "number|size",
  "extra": "also has|extra",
  "hours": "hours|open",
  "owner": "owner|run by",
  "opened": "opened|since",
  "rating": "rating|stars",
  "date": "date|when|day",
  "start": "start|begins|time",
  "venue": "venue|place",
  "host": "host|organiser",
  "people": "people|guests",
  "bring": "bring",
  "seats": "places|seats",
}


def lines(rows: Rows) -> str:
  return "\n".join(f"{key.capitalize()}: {value}" for key, value in rows)


def bullets(rows: Rows) -> str:
  return "\n".join(f"- {key}: {value}" for key, value in rows)


def equals(rows: Rows) -> str:
  return "; ".join(f"{key} = {value}" for key, value in rows)


def brackets(rows: Rows) -> str:
  return ", ".join(f"{key} ({value})" for key, value in rows)


def arrows(rows: Rows) -> str:
  return "\n".join(f"{key} -> {value}" for key, value in rows)


def one_line(rows: Rows) -> str:
  return "; ".join(f"{key}: {value}" for key, value in rows)


def tags(rows: Rows) -> str:
  return " ".join(f"#{key.replace(' ', '_')} {value}" for key, value in rows)


def values(rows: Rows) -> str:
  return " / ".join(value for _, value in rows)


def spoken(rows: Rows) -> str:
  return f"Please write about this: {listing([f'{key} {value}' for key, value in rows])}."


NOTATIONS: tuple[Callable[[Rows], str], ...] = (
  lines,
  lines,
  bullets,
  equals,
  brackets,
  arrows,
  one_line,
  one_line,
  tags,
  values,
  spoken,
)
BELOW = (
  "\n",
  "\n\n",
  "\n\n",
  "\nText: ",
  "\nDescription: ",
  "\n\nText:\n",
  "\n=> ",
  "\nIn words: ",
)


def facts_then_text(w: Writer, table: dict, facts: Facts, topics: Sequence[str]) -> str:
  """Name, type and the topics as facts; then a paragraph that says all of them, and no closing.

  A closing would add what the facts do not say, and teach a model to make things up.
  """
  rows = [(w.pick(TITLES[t].split("|")), _value(facts, t)) for t in ("name", "kind", *topics)]
  return w.pick(NOTATIONS)(rows) + w.pick(BELOW) + w.paragraph(table, facts, topics, closing=0.0)


def _value(facts: Facts, topic: str) -> str:
  if topic == "hours":
    return f"{facts['open']} to {facts['close']}"
  if topic == "amount":
    return f"{facts['amount']} {facts['counted']}"
  if topic == "rating":
    return f"{facts['rating']} out of five"
  return facts[topic]
