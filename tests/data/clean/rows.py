"""Rows in a line, and a step run on them."""

from collections import Counter

from ftjax.data.example import Example


def document(text: str) -> Example:
  return Example(text=text)


def chat(*texts: str) -> Example:
  """user, assistant, user, ..."""
  roles = ("user", "assistant")
  return Example(messages=tuple({"role": roles[i % 2], "content": t} for i, t in enumerate(texts)))


def run(step, example: Example):
  """(what the step gives, its counts)."""
  counts: Counter[str] = Counter()
  return step(example, counts), counts
