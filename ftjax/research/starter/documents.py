"""The base text: every document is drawn by its own seed, so that document i is always the same.

Most documents say again, in another form, what stands above: that is what a base this small must
bring to fine-tuning. No value in them can be known beforehand.
"""

import re
from collections.abc import Iterator

from ftjax.research.starter import words
from ftjax.research.starter.notations import BELOW, NOTATIONS, Rows
from ftjax.research.starter.subjects import SUBJECTS, Field
from ftjax.research.starter.writer import Writer, finish, listing

ANY = (words.name, words.price, words.feature, words.audience, words.titled, words.person, words.company,
       words.date, words.clock, words.count, words.address, words.colour, words.thing, words.made_up)  # fmt: skip


class Subject:
  """One product, place, event or person: its fields, with the values drawn."""

  def __init__(self, w: Writer, fewest: int, most: int):
    fields, self.refs = w.pick(SUBJECTS)
    chosen = w.sample(range(1, len(fields)), w.number(fewest, most))
    self.fields: list[Field] = list(dict.fromkeys([fields[0], *(fields[i] for i in chosen)]))
    self.values = [f.draw(w) for f in self.fields]
    self.keys = [w.pick(f.keys) for f in self.fields]
    self.rows: Rows = list(zip(self.keys, self.values, strict=True))

  def say(self, w: Writer, index: int) -> str:
    """A sentence with the value of field `index`."""
    return self.fill(w, w.pick(self.fields[index].sentences), index)

  def fill(self, w: Writer, sentence: str, index: int) -> str:
    name = self.values[0]
    parts = name.split()
    refs = w.pick(self.refs).format(x=name, first=parts[0], last=parts[-1])
    return w.fill(sentence, {"ref": refs, "x": self.values[index]})

  def text(self, w: Writer) -> str:
    """The name, then every other value once, in any order."""
    order = w.shuffle(range(1, len(self.fields)))
    if w.chance(0.25):
      order.insert(w.number(0, 1), 0)
    else:
      order.insert(0, 0)
    return finish(" ".join(self.say(w, index) for index in order))


def notation(w: Writer, rows: Rows) -> str:
  return w.pick(NOTATIONS).write(w.shuffle(rows) if w.chance(0.5) else rows)


def brief(w: Writer) -> str:
  """Facts, then a text that says all of them and nothing else."""
  subject = Subject(w, 2, 6)
  return notation(w, subject.rows) + w.pick(BELOW) + subject.text(w)


def description(w: Writer) -> str:
  subject = Subject(w, 2, 6)
  head = f"{subject.values[0]}\n\n" if w.chance(0.4) else ""
  return head + subject.text(w)


def series(w: Writer) -> str:
  """Several briefs of one form, each with its text of the same form: what is filled in changes."""
  first = Subject(w, 1, 3)
  order = w.shuffle(range(len(first.fields)))
  sentences = [w.pick(first.fields[i].sentences) for i in order]
  # Choices made once: the form is the same in every row.
  sentences = [re.sub(r"\[([^\[\]]*)\]", lambda m: w.pick(m[1].split("|")), s) for s in sentences]
  note, below, ref = w.pick(NOTATIONS), w.pick(BELOW), w.pick(("it", "this"))
  parts = []
  for _ in range(w.number(2, 4)):
    values = [f.draw(w) for f in first.fields]
    text = " ".join(
      w.fill(s, {"ref": ref, "x": values[i]}) for s, i in zip(sentences, order, strict=True)
    )
    rows = list(zip(first.keys, values, strict=True))
    parts.append(note.write(rows) + below + finish(text))
  return "\n\n".join(parts)


def questions(w: Writer) -> str:
  """Facts, then questions about them with answers."""
  subject = Subject(w, 2, 6)
  ask, answer = w.pick((("Q: ", "A: "), ("Question: ", "Answer: "), ("", ""), ("- ", "  "),
                        ("Customer: ", "Shop: "), ("Guest: ", "Host: ")))  # fmt: skip
  form = w.pick(("{k}?", "and {k}?", "{k}, please.", 'what is under "{k}"?', "now {k}."))
  short = w.chance(0.5)
  lines = []
  for index in w.shuffle(range(len(subject.fields))):
    reply = subject.values[index] if short else finish(subject.say(w, index))
    lines += [ask + finish(form.replace("{k}", subject.keys[index])), answer + reply]
  return notation(w, subject.rows) + "\n\n" + "\n".join(lines)


def lookup(w: Writer) -> str:
  """Any keys with any values; then what belongs to each key."""
  rows = [(w.pick((w.pick(words.PARTS), w.pick(words.THINGS), w.pick(words.DOERS))), w.pick(ANY)(w))
          for _ in range(w.number(2, 6))]  # fmt: skip
  rows = list(dict(rows).items())
  form = w.pick((
    "the {k} is {x}.", "{k}: {x}", "{x} is the {k}.", "for the {k} we have {x}.", "{k} = {x}",
    "what is the {k}? It is {x}.", "as {k}, take {x}.", "{x} ({k})", "<{k}>{x}</{k}>", "{k} -> {x}",
    "we chose {x} for the {k}.", "her {k} was {x}, they say.", "{k}? {x}!",
  ))  # fmt: skip
  said = [form.replace("{k}", k).replace("{x}", x) for k, x in w.shuffle(rows)]
  return notation(w, rows) + w.pick(BELOW) + w.pick(("\n", " ")).join(said)


def repetition(w: Writer) -> str:
  """Something said, and said again word for word."""
  kind = w.number(1, 4)
  if kind == 1:
    text = " ".join(words.made_up(w).lower() for _ in range(w.number(4, 14)))
  elif kind == 2:
    lists = (words.ADJECTIVES, words.PARTS, words.THINGS, words.DOERS, words.USES, words.SECOND)
    text = " ".join(w.pick(w.pick(lists)) for _ in range(w.number(6, 24)))
  elif kind == 3:
    text = listing([w.pick(ANY)(w) for _ in range(w.number(2, 7))])
  else:
    text = " ".join(finish(w.fill("{a} [is|has|likes|sees|wants|knows] {b}.",
                                  {"a": w.pick(ANY)(w), "b": w.pick(ANY)(w)}))
                    for _ in range(w.number(1, 3)))  # fmt: skip
  form = w.pick((
    "{t}\n{t}", "{t} {t}", "{t}\n\n{t}\n\n{t}", "Repeat after me: {t}\n{t}", '"{t}"\nI said: "{t}"',
    "A: {t}\nB: {t}", "Read this: {t}\nIt reads: {t}", "Copy: {t} => {t}", "{t}. Once more: {t}",
    'She wrote "{t}", and so I read "{t}" aloud.', "1. {t}\n2. {t}", "Text: {t}\nSame text: {t}",
  ))  # fmt: skip
  return form.replace("{t}", text)


def read_back(w: Writer) -> str:
  """A list, then the list in another form, whole or in part."""
  items = [w.pick(ANY)(w) for _ in range(w.number(3, 7))]
  head = w.pick(("to buy", "packed", "names", "seen today", "in the shop", "on the list", "guests"))
  above = w.pick((
    "\n".join(f"- {item}" for item in items), "; ".join(items), " | ".join(items),
    "\n".join(f"{n}. {item}" for n, item in enumerate(items, 1)), ", ".join(items),
  ))  # fmt: skip
  below = w.pick((
    listing(items), f"first {items[0]}, last {items[-1]}", f"after {items[0]} comes {items[1]}",
    "\n".join(reversed(items)), " + ".join(items), f"{items[-1]} stands at the end",
    "; ".join(f"{item}, please" for item in items), " and then ".join(w.shuffle(items)),
  ))  # fmt: skip
  return f"{head.capitalize()}: {above}\n{w.pick(('So', 'Again', 'In short', 'That is'))}: {below}."


def catalogue(w: Writer) -> str:
  """A table, and a sentence or two about each row."""
  subject = Subject(w, 1, 3)
  rows = [[f.draw(w) for f in subject.fields] for _ in range(w.number(2, 4))]
  bar = w.pick((" | ", " | ", ", ", "\t", "; "))
  lines = [bar.join(subject.keys), *(bar.join(row) for row in rows), ""]
  forms = [w.pick(f.sentences) for f in subject.fields]
  for row in w.shuffle(rows) if w.chance(0.5) else rows:
    filled = (w.fill(form, {"ref": "it", "x": x}) for form, x in zip(forms, row, strict=True))
    lines.append(finish(" ".join(filled)))
  return "\n".join(lines)


def letter(w: Writer) -> str:
  """Facts, and a letter about them."""
  subject, to, sender = Subject(w, 2, 5), w.pick(words.PEOPLE), words.person(w)
  above = notation(w, [*subject.rows, ("to", to), ("signed", sender)])
  greeting = w.pick(("Dear", "Hello", "Good morning,", "My dear"))
  end = w.pick(("Best wishes,", "Yours,", "Love,", "Many greetings,", "Until soon,"))
  return f"{above}\n\n{greeting} {to},\n{subject.text(w)}\n{end}\n{sender}"


# How many of a hundred documents are of each kind.
MIXTURE = ((38, brief), (5, description), (12, series), (8, questions), (12, lookup),
           (10, repetition), (5, read_back), (6, catalogue), (4, letter))  # fmt: skip
_WHEEL = tuple(write for share, write in MIXTURE for _ in range(share))


def documents(seed: int, count: int) -> Iterator[str]:
  """`count` documents; a longer run starts with the same ones."""
  for index in range(count):
    w = Writer(f"starter {seed} {index}")
    yield w.pick(_WHEEL)(w)
