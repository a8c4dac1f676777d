"""People: who they are, and what they write to one another."""

from ftjax.research.starter import names
from ftjax.research.starter.facts import event, place, product
from ftjax.research.starter.things import TRADES
from ftjax.research.starter.writer import Facts, Writer, finish

WOMEN = (
  "Ada Alice Anna Carla Chloe Clara Elena Ella Emma Eva Grace Hanna Ida Julia Kate Laura Lily "
  "Maria Maya Mina Nadia Nora Rosa Ruth Sara Sofia Vera Zoe"
).split()
LIFE = (
  "{she} was born in {town} [and still lives there|but moved to {town2} at the age of {age}].",
  "as a child, {she} wanted to be a [pilot|dancer|painter|captain|clown].",
  "{she} [grew up|spent the first {age} years] on a farm[| near {town}].",
  "{she} has {years} [brothers|sisters|cousins|cats|chickens] and a dog called {pet}.",
  "every morning, {she} {morning}.",
  "in the evening, {she} {evening}.",
  "on {day}, {she} meets {her} friends at {place}.",
  "{her} favourite colour is {colour}[, and {her} favourite month is {month}|].",
  "{she} collects [stamps|stones|old postcards|maps|buttons|shells|spoons].",
  "{she} speaks {years} languages[| and is learning another one].",
  "{she} cannot stand [noise|cold soup|long meetings|loud radios|lazy excuses].",
  "one day, {she} [hopes to|wants to|would like to] {dream}.",
  '{she} says: "{saying}".',
)
HABITS = {
  "morning": "[drinks tea by the window|runs along the river|walks to the bakery|feeds the birds]",
  "evening": "[plays the violin|writes in a diary|paints small pictures|repairs old clocks]",
  "dream": "[cross the ocean|write a novel|open a small shop|see a whale|climb a volcano]",
  "saying": "[work slowly and you finish early|never trust a quiet goat|begin with the hard part|"
  "a good shoe is half the journey|there is always time for soup]",
}
INVITE = (
  ("I [am writing|write] to [invite you to|tell you about] {full}.", "have you heard of {full}?"),
  ("it is on {date} at {start}.", "it starts at {start} on {date}."),
  ("we could meet at {venue}.", "the place is {venue}[| in {area}]."),
  ("you can {activity} there.", "please bring {bring}.", "{price_line}"),
  ("do you want to come?", "let me know by {day}.", "I hope you have time."),
)
THANKS = (
  ("thank you [so much |]for {full}.", "{full} arrived today, and I am [delighted|so happy]."),
  ("I will use <it/them> for {use}.", "<it is/they are> just right for {use}."),
  ("I like {the_feature}, because {benefit}.", "the {colour} suits my [room|coat|mood]."),
  ("you always know what I need.", "come and see me soon.", "I owe you a cake."),
)
VISIT = (
  ("I am writing from {name}, a {kind} in {area}.", "yesterday we discovered {name}, a {kind}."),
  (
    "it is {mood} and {mood2} here.",
    "the {known} are [wonderful|excellent|as good as people say].",
  ),
  ("from our window we can see {landmark}.", "it is close to {landmark}."),
  (
    "tomorrow we [travel on to {town}|will stay in bed|want to see the sea].",
    "the sun is shining.",
  ),
  ("I miss you.", "see you on {closed}.", "next time you must come along."),
)
COMPLAINT = (
  (
    "on {day} I ordered {full} from your shop.",
    "I am writing about {full}, which I ordered on {day}.",
  ),
  (
    "unfortunately, [the box was empty|a part was missing|I had ordered {colour}].",
    "I am sorry to say that <it has/they have> not arrived yet.",
  ),
  (
    "I paid {price}.",
    "please [send me another one|send me the missing part|give me back the {price}].",
  ),
  ("I hope to hear from you soon.", "thank you for your help."),
)
LETTERS = ((event, INVITE), (product, THANKS), (place, VISIT), (product, COMPLAINT))


def profile(w: Writer) -> str:
  first, (trade, work) = w.pick(names.PEOPLE), w.pick(TRADES)
  she, her = ("she", "her") if first in WOMEN else ("he", "his")
  facts: Facts = HABITS | {
    "name": first, "surname": names.made_up(w), "she": she, "her": her, "trade": trade,
    "work": w.pick(work.split("|")), "town": names.made_up(w), "town2": names.made_up(w),
    "age": names.NUMBERS[w.number(4, 15)], "years": names.NUMBERS[w.number(2, 6)],
    "pet": w.pick(names.SECOND), "day": w.pick(names.DAYS), "month": w.pick(names.MONTHS),
    "place": place(w)["name"], "colour": w.pick(("red", "green", "blue", "yellow", "purple")),
  }  # fmt: skip
  opening = (
    "[{name} {surname} is a {trade} from {town}.|meet {name} {surname}, a {trade} from {town}.|"
    "{name} {surname} has been a {trade} for {years} years.] "
    "[like every {trade}, {she} {work}.|in {her} job, {she} {work}.|]"
  )
  parts = (opening, *w.sample(LIFE, w.number(2, 6)))
  return finish(" ".join(w.fill(part, facts) for part in parts))


def letter(w: Writer) -> str:
  draw, script = w.pick(LETTERS)
  facts = draw(w) | {"day": w.pick(names.DAYS), "town": names.made_up(w)}
  body = [w.fill(w.pick(step), facts) for step in script]
  if script is COMPLAINT:
    head, end = "Dear Sir or Madam,", f"Yours faithfully,\n{names.person(w)}"
  else:
    head = f"{w.pick(('Dear', 'Hello', 'Dear'))} {w.pick(names.PEOPLE)},"
    end = (
      f"{w.pick(('Best wishes,', 'Yours,', 'Love,', 'Many greetings,'))}\n{w.pick(names.PEOPLE)}"
    )
  return f"{head}\n{finish(' '.join(body))}\n{end}"
