"""What a model says before its answer: told from the answer, so that answers compare."""

_MARKS = (
  ("<think>", "</think>"),
  ("<thinking>", "</thinking>"),
  ("<seed:think>", "</seed:think>"),
  ("[THINK]", "[/THINK]"),
  ("<|START_THINKING|>", "<|END_THINKING|>"),
)


def answer(text: str) -> str:
  """The text without the thinking that it begins with.

  A prompt may have opened the thinking already, so that it only ends in the text. Thinking that
  does not end is all that there is: no answer came, and "" is returned.
  """
  for opening, closing in _MARKS:
    begins = text.lstrip().startswith(opening)
    thought, found, rest = text.partition(closing)
    if found and (begins or opening not in thought):
      return rest.lstrip("\n")
    if begins:
      return ""
  return text
