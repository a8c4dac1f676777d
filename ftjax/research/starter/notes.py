"""Notices: short news and opening hours."""

from ftjax.research.starter import names
from ftjax.research.starter.facts import event, place
from ftjax.research.starter.talk import Script, act
from ftjax.research.starter.writer import Writer

OPENING_NEWS: Script = (
  (
    "{area_start}, a new {kind} has opened.",
    "{name}, a new {kind}, has opened its doors in {area}.",
    "the people of {area} have a new {kind}: {name}.",
    "after {minutes} months of work, {name} has opened again.",
  ),
  (
    "{owner}, who runs {that}, [is pleased|is proud|hopes for many guests].",
    '"we want to be {mood} and {mood2}", says {owner}, who runs {that}.',
    "it is run by {owner}[|, who grew up nearby].",
  ),
  (
    "it has {amount} {counted}[| and is known for {known}].",
    "visitors can expect {known}.",
    "on the first day, {amount} people came[|, and most of them liked it].",
  ),
  (
    "{name} is close to {landmark} and open from {open} to {close}.",
    "prices start at {price}.",
    "the {kind} is closed on {closed}.",
    "",
  ),
)
STREET_NEWS: Script = (
  (
    "{street} [will be|is] closed to cars [until {closed}|for {minutes} days].",
    "from {closed}, bus {bus} will [no longer stop|stop] at {landmark}.",
    "[workers|the town] will repair {landmark} [this month|in the coming weeks].",
    "strong wind damaged {amount} trees in {area} on {closed}, but nobody was hurt.",
    "new lamps have been put up [on {street}|in {area}|near {landmark}].",
  ),
  (
    "the [town hall|council] [asks for patience|thanks all residents for their patience].",
    '"we [will be finished|expect no trouble] by {closed}", said {owner}.',
    "{owner} of the town hall [called it a good step|promised to work quickly].",
    "the work costs about {amount} thousand euros.",
  ),
  (
    "{name}, a {kind} nearby, stays open.",
    "visitors to {name} should [walk from|use the path behind] {landmark}.",
    "residents can ask questions on {closed} at {open}.",
    "",
  ),
)
EVENT_NEWS: Script = (
  (
    "about {seats} people came to {full} on {date}.",
    "{full} was a success: about {seats} people came.",
    "rain could not stop {full} at {venue}.",
    "{full} has ended with [a song|long applause|thanks to all helpers].",
  ),
  (
    '"it was [wonderful|better than last year|a good start]", said {host}.',
    "the organiser was {host}.",
    "many {people} [stayed until {end}|asked for a second date].",
  ),
  (
    "the next {kind} will take place on {date}.",
    "{person}, one of the guests, wants to come again.",
    "next year there will be more [seats|time|music].",
    "",
  ),
)
WEATHER: Script = (
  (
    "in {area}, {closed} will be [sunny|cloudy|wet|windy|mild|dry].",
    "the weather in {area} [stays|becomes] [mild|fine|wet|changeable] [until|on] {closed}.",
  ),
  (
    "temperatures reach {degrees} degrees[| in the afternoon| near the river].",
    "expect about {degrees} degrees and [a light wind|a few clouds|some rain].",
  ),
  (
    "[take an umbrella|a jacket is enough|a hat is useful] for the evening.",
    "the night stays [dry|clear|wet|calm].",
    "",
  ),
)
HOURS: Script = (
  (
    "please note [our|the] new opening hours.",
    "{name} has new opening hours.",
    "opening hours of {name}, {address}:",
    "dear guests, [our hours change|please note the following].",
  ),
  (
    "[from Monday to Friday|on weekdays], we are open from {open} to {close}.",
    "we open at {open} and close at {close}.",
    "the {kind} is open from {open} to {close}.",
  ),
  (
    "on {closed}, we are closed.",
    "{closed} is our day off.",
    "on {closed}, we close at noon.",
  ),
  (
    "last entry is half an hour before closing.",
    "thank you for your [patience|understanding]. {owner} and team",
    "for groups, we open earlier: please ask {owner}.",
    "",
  ),
)


def news(w: Writer) -> str:
  facts = w.pick((place, event))(w)
  if "venue" in facts:
    return act(w, facts, EVENT_NEWS)
  facts["area_start"] = f"in {facts['area']}"
  facts["degrees"] = str(w.number(9, 25))
  return act(w, facts, w.pick((OPENING_NEWS, OPENING_NEWS, STREET_NEWS, WEATHER)))


def hours(w: Writer) -> str:
  facts = place(w)
  text = act(w, facts, HOURS)
  return f"{facts['name']}\n{text}" if w.chance(0.5) else text


def table_of_hours(w: Writer) -> str:
  """A week, line by line, and a sentence that says it again."""
  facts = place(w)
  lines = [w.write("[opening hours of {name}|{name}: opening hours|{name}]", facts)]
  for day in names.DAYS:
    open_hours = f"{facts['open']} to {facts['close']}"
    lines.append(f"{day}: {'closed' if day == facts['closed'] else open_hours}")
  lines.append(
    w.write(
      "[the {kind} is open from {open} to {close}, except on {closed}.|on {closed}, it is closed"
      ".|{name} opens at {open} and closes at {close}. On {closed}, it stays closed.]",
      facts,
    )
  )
  return "\n".join(lines)
