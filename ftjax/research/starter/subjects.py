"""What the base text speaks of: products, places, events and people, each with fields whose values
are drawn anew for every document, and plain sentences that say such a value word for word.

A field: what a brief may call it; how its value is drawn; sentences. `{x}` is the value, `{ref}`
the subject: "it", "the lamp", "Falmere". The first field is always said, and said first.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ftjax.research.starter import words
from ftjax.research.starter.writer import Writer, plural


@dataclass(frozen=True)
class Field:
  keys: tuple[str, ...]
  draw: Callable[[Writer], str]
  sentences: tuple[str, ...]


def field(keys: str, draw: Callable[[Writer], str], *sentences: str) -> Field:
  return Field(tuple(keys.split("|")), draw, sentences)


PRICE = field(
  "price|cost|sum|costs|amount|price in the shop", words.price,
  "{ref} costs {x}.", "the price is {x}[|, delivery included|, and delivery is extra].",
  "{ref} is [available|sold|on sale] for {x}.", "[shops ask|customers pay|you pay] {x} for it.",
  "at {x}, {ref} is [good value|fairly priced|not expensive].", "{x} is the price[| this year].",
  "for {x} you [can have|get] it.", "it can be had for [only|just|about|] {x}.",
)  # fmt: skip
FEATURE = field(
  "feature|detail|has|extra|comes with|special", words.feature,
  "{ref} has {x}.", "it comes with {x}[|, which is useful|, and that helps].",
  "there is also {x}.", "with {x}, {ref} is [a pleasure|easy] to use.", "one detail is {x}.",
  "thanks to {x}, it [is easy to use|lasts for years|works well].", "what people like most is {x}.",
  "[the makers|they] added {x}, so it [works|serves] well.", "look for {x}: that is how you know it.",
  "{x} will make the difference.", "you will notice {x} at once.",
)  # fmt: skip
AUDIENCE = field(
  "for|audience|buyers|readers|made for|guests", words.audience,
  "{ref} is [made|ideal|a good choice] for {x}.", "{x} [will like|like|are fond of] it.",
  "it was [designed|made] with {x} in mind.", "above all, {x} ask for it.", "for {x}, it is just right.",
  "dear {x}, this is for you.", "this one is for {x}.", "are you one of the {x}? Then read on.",
)  # fmt: skip
MAKER = field(
  "maker|made by|company|brand|firm", words.company,
  "it is [made|produced|sold] by {x}.", "{x} [makes|designed|produces] {ref}.", "the maker is {x}.",
  "behind it stands {x}[|, a family business].", "{ref} comes from {x}.",
)  # fmt: skip
TOWN = field(
  "town|made in|area|city|region|where", words.made_up,
  "{ref} comes from {x}.", "you find {ref} in {x}.", "{x} is [the place|where it is].",
  "everybody in {x} knows {ref}.", "the town is called {x}.",
)  # fmt: skip
COLOUR = field(
  "colour|finish|shade", words.colour,
  "the colour is {x}.", "{ref} comes in {x}.", "in {x} it looks [best|lovely].",
  "{x} is the [only|standard|usual] colour.",
)  # fmt: skip
MATERIAL = field(
  "material|made of|from", lambda w: w.pick(words.MATERIALS),
  "{ref} is made of {x}.", "the material is {x}[|, which is easy to clean].",
  "{x} was chosen because it lasts.", "the makers use {x}[| and nothing else].",
)  # fmt: skip
USE = field(
  "use|good for|purpose", lambda w: f"{w.pick(words.MANNERS)} {w.pick(words.USES)} days",
  "it is meant for {x}.", "on {x}, {ref} is hard to beat.", "people use it on {x}.",
)  # fmt: skip
COUNT = field(
  "number|in the box|size|stock|places|seats", words.count,
  "there are {x} of them.", "the number is {x}.", "{x} is the number to remember.",
  "we counted {x}.",
)  # fmt: skip
DATE = field(
  "date|when|day|since", words.date,
  "the date is {x}.", "{ref} [begins|starts] on {x}.", "{x} is the day[| to remember].", "come on {x}.",
)  # fmt: skip
CLOCK = field(
  "time|start|hour|begins", words.clock,
  "it starts at {x}.", "the doors open at {x}.", "be there by {x}.", "at {x} it begins.",
)  # fmt: skip
ADDRESS = field(
  "address|street|venue|place", words.address,
  "you find {ref} at {x}.", "the address is {x}.", "come to {x}.", "{x} is where to go.",
)  # fmt: skip
HOST = field(
  "host|owner|run by|contact|person", words.person,
  "the host is {x}.", "it is run by {x}.", "{x} looks after everything.", "ask for {x}.",
  '"come and see", says {x}.',
)  # fmt: skip
OFFER = field(
  "offers|known for|speciality", lambda w: f"{w.pick(words.ADJECTIVES)} {plural(words.thing(w))}",
  "it is known for {x}.", "people come for the {x}.", "the {x} are [good|excellent].",
)  # fmt: skip
MOOD = field(
  "mood|style|atmosphere|manner", lambda w: w.pick(words.MANNERS),
  "{ref} is rather {x}.", "the [mood|manner] is {x}.", "people call {ref} {x}.",
)  # fmt: skip
TRADE = field(
  "trade|work|job", lambda w: f"{w.pick(words.USES)} {w.pick(words.DOERS)}",
  "the work is that of a {x}.", "as a {x}, one learns a lot.", "{ref} is a {x}.",
)  # fmt: skip

PRODUCT = (
  field(
    "product|name|item|title|article|called|what", words.titled,
    "{x} is [made|meant] for [daily use|years of use].", "this is the {x}.", "here is the {x}.",
    "meet {x}.", "[look at|have a look at|discover|try] the {x}.", "the {x} is [new|here|ready].",
    "among such things, the {x} stands out.", "anyone who needs one should know the {x}.",
    "our choice is the {x}.", "have you seen the {x}?", "we are proud of the {x}.",
  ),
  PRICE, FEATURE, AUDIENCE, MAKER, TOWN, COLOUR, MATERIAL, USE, COUNT, FEATURE, PRICE,
)  # fmt: skip
PLACE = (
  field(
    "name|place|title|house|shop|called", words.name,
    "{x} is a place [to visit|to remember].", "this is {x}.", "welcome to {x}.", "come to {x}.",
    "few places are like {x}.", "have you been to {x}?", "people love {x}.",
  ),
  ADDRESS, TOWN, HOST, OFFER, MOOD, PRICE, DATE, CLOCK, AUDIENCE, FEATURE,
)  # fmt: skip
EVENT = (
  field(
    "event|name|title|topic|called", lambda w: f"{words.name(w)} {w.pick(EVENTS)}",
    "the {x} is near.", "this is the {x}.", "join the {x}.", "do not miss the {x}.",
    "come to the {x}.", "everybody talks about the {x}.", "soon there is the {x}.",
  ),
  DATE, CLOCK, ADDRESS, HOST, PRICE, AUDIENCE, COUNT, MOOD,
)  # fmt: skip
PERSON = (
  field(
    "name|person|who|full name", words.person,
    "this is {x}.", "{x} is somebody to know.", "meet {x}.", "few people are like {x}.",
    "have you met {x}?", "everybody likes {x}.",
  ),
  TRADE, TOWN, ADDRESS, MOOD, TRADE, TOWN,
)  # fmt: skip
EVENTS = (
  "concert workshop class walk fair market night run talk evening feast game show trip parade picnic "
  "contest dance course meeting"
).split()
# Products are what most people bring to a first run, and what most documents speak of.
SUBJECTS = (
  (PRODUCT, ("it", "the {last}", "the {x}")), (PRODUCT, ("it", "the {last}", "the {x}")),
  (PRODUCT, ("it", "this {last}", "it")), (PLACE, ("it", "{x}", "this place")),
  (EVENT, ("it", "the {last}", "this {last}")), (PERSON, ("{x}", "{first}", "{x}")),
)  # fmt: skip
