"""Instructions in steps."""

from ftjax.research.starter import names
from ftjax.research.starter.facts import product
from ftjax.research.starter.writer import Writer, finish

TASKS = (
  (
    "care for {one}",
    (
      "read the label first.",
      "remove the dust with a soft cloth.",
      "use warm water and mild soap.",
      "let everything dry for {months} hours.",
      "store <it/them> in a dry place.",
      "never use strong cleaners.",
      "check <it/them> again after {months} weeks.",
    ),
  ),
  (
    "choose {one}",
    (
      "think about what you need <it/them> for: {use}, for example.",
      "set a limit, such as {price}.",
      "compare the material: {material} is a good choice.",
      "ask about the guarantee.",
      "look for {feature}, so {benefit}.",
      "try <it/them> in the shop if you can.",
    ),
  ),
  (
    "send {full} back",
    (
      "put <it/them> into the box.",
      "add the receipt.",
      "write your name on the label.",
      "bring the parcel to the post office.",
      "keep the slip until you have your money back.",
      "wait for {delivery}.",
    ),
  ),
  (
    "order {full}",
    (
      "open the page of {maker}.",
      "choose the colour, for example {colour}.",
      "check the price: {price}.",
      "enter your address.",
      "choose how you want to pay.",
      "wait for {delivery}.",
    ),
  ),
  (
    "wrap {one} as a present",
    (
      "take a large sheet of paper.",
      "put <it/them> in the middle.",
      "fold the long sides first.",
      "close the ends with tape.",
      "add a {colour} ribbon.",
      "write a card to {person}.",
    ),
  ),
  (
    "make a simple vegetable soup",
    (
      "wash {months} carrots and {years} potatoes.",
      "cut everything into small pieces.",
      "heat some oil in a pot.",
      "add water and salt.",
      "cook it slowly for {box} minutes.",
      "serve it with bread.",
    ),
  ),
  (
    "make tea for {years} people",
    (
      "fill the kettle with fresh water.",
      "wait until the water is ready.",
      "put one spoon of leaves into the pot for each person.",
      "pour the water over the leaves.",
      "wait for {months} minutes.",
      "pour the tea and add lemon.",
    ),
  ),
  (
    "repot a plant",
    (
      "choose a pot that is a little larger.",
      "put some stones at the bottom.",
      "fill in fresh soil.",
      "lift the plant out with care.",
      "press the soil down gently.",
      "water it and keep it out of the sun for {months} days.",
    ),
  ),
  (
    "pack for a trip of {months} days",
    (
      "write a list.",
      "put heavy things at the bottom.",
      "roll the clothes.",
      "keep papers and money close to you.",
      "leave some space for presents.",
      "do not forget {one}.",
    ),
  ),
)
MARKS = (("1. ", "2. ", "3. ", "4. ", "5. ", "6. ", "7. "), ("- ",) * 7, ("* ",) * 7)
ORDER = ("first,", "then", "after that,", "next,", "now", "in the end,")


def steps(w: Writer) -> str:
  """How to do a thing: a numbered list, or one paragraph with the order in words."""
  facts = product(w)
  task, advice = w.pick(TASKS)
  chosen = sorted(w.sample(range(len(advice)), w.number(4, len(advice))))
  done = [w.fill(advice[i], facts) for i in chosen]
  if w.chance(0.6):
    title = w.write(f"[how to {task}|{task} in {names.NUMBERS[len(done)]} steps]", facts)
    marked = (mark + finish(each) for mark, each in zip(w.pick(MARKS), done, strict=False))
    return "\n".join((title, *marked))
  opening = w.fill(f"[if you want to {task}, take your time.|here is how to {task}.]", facts)
  between = w.shuffle(ORDER[1:-1]) * 2
  middle = (f"{order} {each}" for order, each in zip(between, done[1:-1], strict=False))
  return finish(" ".join((opening, f"{ORDER[0]} {done[0]}", *middle, f"{ORDER[-1]} {done[-1]}")))
