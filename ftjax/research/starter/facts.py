"""Draws one product, place or event: a dict of facts, from which every text about it is written.

Beside the facts stand small templates ("ref", "one") for how the thing may be spoken of; they are
filled anew at every use, so that a paragraph says "it", "the kettle" and "the Fox kettle" in turn.
"""

from ftjax.research.starter import events, names, places, products
from ftjax.research.starter.writer import Facts, Writer, articles

_FREE = "[entry is free|there is no charge|nobody has to pay]."
_PAID = "[tickets cost {price}|a ticket costs {price}|entry is {price}|the price is {price}]."
_FREE_WARM = "[it is free|you pay nothing|best of all, it is free]!"
_PAID_WARM = "[tickets are only {price}|for just {price}, you are in|get your ticket for {price}]."


def product(w: Writer) -> Facts:
  kind, measure, materials, uses, features = w.pick(products.KINDS)
  feature, benefit = w.pick(features.split("|")).split(": ")
  name = names.label(w)
  return {
    "plural": measure,  # "", or what several are counted in
    "measure": measure,
    "name": name,
    "kind": kind,
    "full": f"the {name} {kind}",
    "ref": f"[<it/they>|the {kind}|the {name} {kind}]",
    "that": f"the [{kind}|{name} {kind}]",
    "one": f"a {measure} of {kind}" if measure else f"a {kind}",
    "adj": "[simple|sturdy|useful|classic|modern|light|reliable|practical|well-made|everyday]",
    "maker": names.company(w),
    "material": w.pick(materials.split("|")),
    "colour": w.pick(products.COLOURS),
    "colour2": w.pick(products.COLOURS),
    "price": names.amount(w, 4, 180),
    "use": w.pick(uses.split("|")),
    "feature": articles(feature),
    "the_feature": f"the {feature.removeprefix('a ')}",
    "benefit": benefit,
    "audience": w.pick(products.AUDIENCES),
    "weight": w.pick(
      (f"{w.number(11, 95)}0 grams", f"{w.number(1, 6)}.{w.number(1, 9)} kilograms")
    ),
    "guarantee": f"{names.NUMBERS[w.number(2, 12)]} years",
    "town": names.made_up(w),
    "delivery": f"{names.NUMBERS[w.number(2, 9)]} days",
    "box": str(w.number(2, 24)),
    "person": w.pick(names.PEOPLE),
    "years": names.count(w, 2, 15),
    "months": names.NUMBERS[w.number(2, 11)],
  }


def place(w: Writer) -> Facts:
  kind, activity, known, counted, extras = w.pick(places.PLACES)
  name = _place_name(w, kind)
  early, late = names.clock(w, 6, 11), names.clock(w, 15, 23)
  first, second = w.sample(places.MOODS, 2)
  street = names.street(w)
  return {
    "name": name,
    "kind": kind,
    "full": name,
    "ref": f"[it|the {kind}|{name}]",
    "that": f"[the {kind}|{name}]",
    "activity": activity,
    "known": w.pick(known.split("|")),
    "amount": names.count(w, 3, 90),
    "counted": counted,
    "extra": articles(w.pick(extras.split("|"))),
    "area": names.area(w),
    "street": street,
    "address": f"{w.number(1, 180)} {street}",
    "landmark": w.pick(places.LANDMARKS),
    "mood": first,
    "mood2": second,
    "owner": names.person(w),
    "opened": str(w.number(1860, 2024)),
    "open": early,
    "close": late,
    "closed": w.pick(names.DAYS),
    "price": names.amount(w, 2, 40),
    "minutes": names.NUMBERS[w.number(2, 15)],
    "audience": w.pick(("families", "couples", "students", "children", "groups", "older guests")),
    "rating": names.NUMBERS[w.number(2, 5)],
    "bus": str(w.number(1, 99)),
    "person": w.pick(names.PEOPLE),
  }


def event(w: Writer) -> Facts:
  kind, activity, people, things = w.pick(events.EVENTS)
  first = w.number(9, 19)
  venue = _place_name(w, w.pick(("theatre", "library", "park", "cafe", "museum", "school", "hall")))
  price = w.pick((names.amount(w, 2, 45), "free"))
  name = names.label(w)
  return {
    "name": name,
    "kind": kind,
    "full": f"the {name} {kind}",
    "ref": f"[it|the {kind}|the event]",
    "that": f"the [{kind}|event]",
    "activity": activity,
    "people": w.pick(people.split("|")),
    "bring": articles(w.pick(things.split("|"))),
    "date": names.date(w),
    "start": names.clock(w, first, first),
    "end": names.clock(w, first + 1, first + 4),
    "venue": venue,
    "area": names.area(w),
    "price": price,
    "price_line": _FREE if price == "free" else _PAID,
    "price_line_warm": _FREE_WARM if price == "free" else _PAID_WARM,
    "host": w.pick((names.person(w), names.company(w))),
    "seats": names.count(w, 8, 200),
    "rain": w.pick(("the hall next door", "the library", "the school", "the following week")),
    "person": w.pick(names.PEOPLE),
  }


def _place_name(w: Writer, kind: str) -> str:
  title = kind.title()
  made, first, second = names.made_up(w), w.pick(names.FIRST), w.pick(names.SECOND)
  return w.pick(
    (
      f"The {first} {second}",
      f"The {second}",
      f"{second} {title}",
      f"{made} {title}",
      f"{first} {title}",
      f"The {second} & {w.pick(names.SECOND)}",
      f"{w.pick(names.PEOPLE)}'s {title}",
      f"{made}",
      f"{first} {second} {title}",
      f"The {first} {title}",
    )
  )
