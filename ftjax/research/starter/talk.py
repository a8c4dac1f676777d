"""What people say: reviews, questions with answers, and talk across the counter.

A script is a tuple of steps, each a tuple of alternatives; a step may be empty.
"""

from ftjax.research.starter.facts import place, product
from ftjax.research.starter.writer import Facts, Writer, finish

Script = tuple[tuple[str, ...], ...]

PRODUCT_REVIEW: Script = (
  (
    "I bought {full} [last month|in spring|for my sister|for our kitchen|{months} months ago].",
    "my [brother|mother|neighbour|friend {person}] gave me {full}[| for my birthday].",
    "{full} arrived after {delivery}.",
    "we have used {full} for {months} months now.",
    "[after|for] {months} months[| with {full}], here is [my|our] [opinion|report] on {full}.",
  ),
  (
    "I use <it/them> for {use}[|, almost every day].",
    "I was looking for something for {use}[|, and this is it].",
    "at first I was not sure, but now I use <it/them> all the time.",
    "",
  ),
  (
    "the best thing is {the_feature}: {benefit}.",
    "I like {the_feature}, because {benefit}.",
    "<it has/they have> {feature}, so {benefit}.",
    "thanks to {feature}, {benefit}.",
  ),
  (
    "the {colour} [looks|is] even better than in the picture.",
    "the {material} [feels solid|is well made|shows no marks].",
    "my only complaint is the [colour|box|manual].",
    "<it is/they are> a little heavier than I thought.",
    "the {material} has a slight smell at first[|, but it goes away].",
  ),
  (
    "for {price}, I am [happy|very happy|content].",
    "{price} is [a fair price|a lot of money|not too much] for {one}.",
    "I paid {price} and would do so again.",
    "",
  ),
  (
    "[four|five] out of five stars.",
    "I would buy <it/them> again.",
    "not perfect, but [good|fine|useful].",
    "I [can|would] recommend <it/them> to {audience}.",
    "",
  ),
)
PLACE_REVIEW: Script = (
  (
    "we went to {name} [on {closed}|last week|for my birthday|with the children].",
    "{person} took me to {name}, a {kind} in {area}.",
    "I had never been to {name} before.",
    "{name} is my favourite {kind} in {area}.",
  ),
  (
    "I came for the {known}, and I was not disappointed.",
    "the {known} were [good|excellent|better than expected|a little disappointing].",
    "everybody talks about the {known}, and [rightly so|now I know why].",
  ),
  (
    "it was {mood}, perhaps a little too {mood2}.",
    "the staff were [kind|friendly|patient|in a hurry][|, even though it was full].",
    "we liked the {mood} atmosphere.",
    "it is {mood} and {mood2}.",
  ),
  (
    "we paid {price}[| each], which is [fine|fair|a little too much].",
    "it is close to {landmark}, so [we walked|parking is hard].",
    "they also have {extra}.",
    "it closes at {close}, [too early for us|so come early].",
    "",
  ),
  (
    "we will be back.",
    "I give it {rating} stars.",
    "next time I will bring {person}.",
    "[a good choice|not a bad place] for {audience}.",
    "",
  ),
)
PRODUCT_QUESTIONS = (
  ("how much <does/do> {that} cost?", "<it costs/they cost> {price}[|, delivery included]."),
  ("what <is/are> {that} made of?", "<it is/they are> made of {material}."),
  ("which colours are there?", "[at the moment|for now] there is {colour}[| and {colour2}]."),
  ("how long does delivery take?", "[usually|as a rule] it takes {delivery}."),
  ("is there a guarantee?", "yes, the guarantee runs for {guarantee}."),
  ("who makes {that}?", "<it is/they are> made by {maker} in {town}."),
  ("how heavy <is it/are they>?", "the weight is {weight}."),
  ("what <is it/are they> good for?", "most people use <it/them> for {use}."),
  ("what makes <it/them> special?", "<it has/they have> {feature}, so {benefit}."),
  ("<is it/are they> right for {audience}?", "yes, {audience} [like|love] <it/them>."),
  ("can I send <it/them> back?", "yes, within {months} weeks, as long as <it is/they are> clean."),
  ("can I pay in the shop?", "yes, [in cash or by card|by card only|in cash only]."),
)
PLACE_QUESTIONS = (
  ("where is {name}?", "it is at {address} in {area}[|, near {landmark}]."),
  ("when does {that} open?", "it opens at {open} and closes at {close}."),
  ("is {that} open on {closed}?", "no, {that} is closed on {closed}."),
  ("what is {that} known for?", "it is known for {known}."),
  ("who runs {that}?", "it is run by {owner}."),
  ("how much does a visit cost?", "prices start at {price}."),
  ("is it far from {landmark}?", "no, it is a walk of {minutes} minutes."),
  ("how many {counted} are there?", "there are {amount} {counted}."),
  ("since when has {that} existed?", "it has been there since {opened}."),
  ("which bus goes there?", "take bus {bus} to {landmark}."),
  ("is there anything else?", "yes, there is also {extra}."),
  ("is it a good place for {audience}?", "yes, {audience} are welcome."),
)
GREETINGS = (
  ("hello, can I help you?", "yes, please. I am looking for {one}."),
  ("good morning. What can I do for you?", "I need {one} for {use}."),
  ("good afternoon.", "hello. Do you have {one}[| for {use}| for a friend]?"),
  ("welcome. Are you looking for something?", "{one}, [please|if you have that]."),
)
OFFERS = (
  ("we have {full}.", "that sounds good."),
  ("then look at {full}.", "that is a nice name."),
  ("I can show you {full}.", "please do."),
)
FAREWELLS = (
  ("shall I wrap <it/them>?", "no, thank you. I will use <it/them> today."),
  ("would you like <it/them>?", "[yes, I will take <it/them>|I will think about it]."),
  ("anything else?", "no, that is all. Goodbye."),
  ("thank you. Enjoy <it/them>!", "I will. Have a nice day."),
)


def review(w: Writer) -> str:
  facts, script = w.pick(((product(w), PRODUCT_REVIEW), (place(w), PLACE_REVIEW)))
  text = act(w, facts, script)
  if w.chance(0.3):
    text = f"{facts['name']}, {w.pick(('a review', 'tested', 'my opinion'))}\n{text}"
  return text


def act(w: Writer, facts: Facts, script: Script) -> str:
  """One paragraph: an alternative of every step, in order."""
  return finish(" ".join(w.fill(w.pick(step), facts) for step in script))


def questions(w: Writer) -> str:
  """Frequently asked questions about one thing, with a heading that names it."""
  facts, pairs = w.pick(((product(w), PRODUCT_QUESTIONS), (place(w), PLACE_QUESTIONS)))
  ask, answer = w.pick((("Q: ", "A: "), ("Question: ", "Answer: "), ("", ""), ("- ", "  ")))
  lines = [w.write("[questions about {full}|{full}: questions and answers|{full}]", facts), ""]
  for question, reply in w.sample(pairs, w.number(2, 6)):
    lines += [ask + w.write(question, facts), answer + w.write(reply, facts)]
  return "\n".join(lines)


def counter(w: Writer) -> str:
  """A customer and a shop: the questions are the customer's, the greeting is the shop's."""
  facts = product(w)
  shop, customer = w.pick((("Shop", "Customer"), ("Assistant", "Guest"), ("Seller", "Buyer")))
  lines = []
  for pairs in (GREETINGS, OFFERS):
    said, reply = w.pick(pairs)
    lines += [(shop, said), (customer, reply)]
  for question, reply in w.sample(PRODUCT_QUESTIONS, w.number(1, 4)):
    lines += [(customer, question), (shop, reply)]
  said, reply = w.pick(FAREWELLS)
  lines += [(shop, said), (customer, reply)]
  return "\n".join(f"{who}: {w.write(line, facts)}" for who, line in _joined(lines))


def _joined(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
  """Two lines in a row of one speaker become one."""
  joined: list[tuple[str, str]] = []
  for who, line in lines:
    if joined and joined[-1][0] == who:
      joined[-1] = (who, f"{joined[-1][1]} {line}")
    else:
      joined.append((who, line))
  return joined
