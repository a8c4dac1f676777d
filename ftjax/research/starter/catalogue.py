"""Longer documents: several things on one page, and two things compared.

More than one name in sight is what teaches a model which fact belongs to which name.
"""

from ftjax.research.starter import event_copy, place_copy, product_copy
from ftjax.research.starter.facts import event, place, product
from ftjax.research.starter.names import area, company
from ftjax.research.starter.writer import Writer, finish, plural, topics_of

HEADINGS = (
  (product, product_copy, "[new at {who}|the catalogue of {who}|this season's favourites]"),
  (place, place_copy, "[where to go in {where}|a short guide to {where}|our tips for {where}]"),
  (event, event_copy, "[what is on in {where}|coming soon in {where}|dates for your diary]"),
)
DIFFERENCES = {
  "price": ("{a} costs {pa}, while {b} costs {pb}.", "{a} is sold for {pa}; {b} for {pb}."),
  "material": ("{a} is made of {ma}, and {b} of {mb}.", "one is made of {ma}, the other of {mb}."),
  "colour": ("while {a} comes in {ca}, {b} comes in {cb}.", "{a} is {ca}, {b} is {cb}."),
  "weight": ("{a} weighs {wa}. {b} weighs {wb}.", "the weight is {wa} for {a} and {wb} for {b}."),
  "feature": ("with {a} you get {fa}, with {b} {fb}.", "{a} has {fa}, {b} has {fb}."),
  "use": ("{a} is meant for {ua}, {b} rather for {ub}.", "{a} is best for {ua}, {b} for {ub}."),
  "guarantee": ("{a} has a guarantee of {ga}, {b} one of {gb}.",),
}
VERDICTS = (
  "[in the end|all in all], both are [good|sound|fair] choices.",
  "we would choose {a}, [but only just|because of the price|for everyday use].",
  "those who want {fb} should take {b}.",
  "{a} is the better choice for {ua}.",
)


def catalogue(w: Writer) -> str:
  draw, copy, heading = w.pick(HEADINGS)
  table = w.pick((copy.PLAIN, copy.WARM))
  parts = [w.write(heading, {"who": company(w), "where": area(w)})]
  for _ in range(w.number(2, 4)):
    facts = draw(w)
    topics = [topic for topic in topics_of(table) if topic != "area"]  # It is in the heading.
    text = w.paragraph(table, facts, w.sample(topics, w.number(2, 4)))
    parts.append(f"{facts['name']}\n{text}")
  return "\n\n".join(parts)


def comparison(w: Writer) -> str:
  """Two products of one kind, side by side, in what they differ."""
  first = second = product(w)
  while first["plural"]:
    first = product(w)
  while second["kind"] != first["kind"] or second["name"] == first["name"]:
    second = product(w)
  second["price"] = first["price"][0] + second["price"][1:]  # One shop, one currency.
  differ = [key for key in DIFFERENCES if first[key] != second[key]]
  facts = {f"{key[0]}a": first[key] for key in DIFFERENCES}
  facts |= {f"{key[0]}b": second[key] for key in DIFFERENCES}
  facts |= {"a": f"the {first['name']}", "b": f"the {second['name']}"}
  facts |= {"kind": first["kind"], "kinds": plural(first["kind"])}
  opening = (
    "[which {kind} is better, {a} or {b}?|two {kinds}, two ideas: {a} and {b}.|"
    "{a} or {b}? Here is our comparison of {kinds}.]"
  )
  chosen = [w.pick(DIFFERENCES[key]) for key in w.sample(differ, w.number(2, 5))]
  return finish(" ".join(w.fill(each, facts) for each in (opening, *chosen, w.pick(VERDICTS))))
