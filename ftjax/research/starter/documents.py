"""The base text: every document is drawn by its own seed, so that document i is always the same."""

from collections.abc import Iterator

from ftjax.research.starter import (
  event_copy,
  letters,
  notes,
  place_copy,
  product_copy,
  steps,
  talk,
  things,
)
from ftjax.research.starter.catalogue import catalogue, comparison
from ftjax.research.starter.facts import event, place, product
from ftjax.research.starter.notations import facts_then_text
from ftjax.research.starter.writer import Writer, topics_of

REGISTERS = (
  (product, product_copy.PLAIN),
  (product, product_copy.WARM),
  (place, place_copy.PLAIN),
  (place, place_copy.WARM),
  (event, event_copy.PLAIN),
  (event, event_copy.WARM),
)


def description(w: Writer) -> str:
  """A paragraph about one thing, now and then under a heading."""
  draw, table = w.pick(REGISTERS)
  facts, topics = draw(w), w.shuffle(topics_of(table))
  text = w.paragraph(table, facts, topics[: w.number(3, 8)])
  if w.chance(0.25):
    text = f"{w.write('{full}', facts)}\n\n{text}"
  return text


def brief(w: Writer) -> str:
  draw, table = w.pick(REGISTERS)
  topics = w.sample(topics_of(table), w.number(2, 7))
  return facts_then_text(w, table, draw(w), topics)


# How many of a hundred documents are of each kind. Briefs are the largest part: what a base model
# this small must bring to fine-tuning is the copying of facts from above.
MIXTURE = (
  (34, brief),
  (18, description),
  (7, talk.review),
  (6, talk.questions),
  (5, talk.counter),
  (4, notes.news),
  (2, notes.hours),
  (1, notes.table_of_hours),
  (3, steps.steps),
  (5, catalogue),
  (4, comparison),
  (4, things.entry),
  (3, letters.profile),
  (4, letters.letter),
)
_WHEEL = tuple(write for share, write in MIXTURE for _ in range(share))


def documents(seed: int, count: int) -> Iterator[str]:
  """`count` documents; a longer run starts with the same ones."""
  for index in range(count):
    w = Writer(f"starter {seed} {index}")
    yield w.pick(_WHEEL)(w)
