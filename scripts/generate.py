"""Writes answers: python scripts/generate.py --model=runs/mine/best --prompt="Name: The Old Mill"

A prompt goes through the chat template that the model was trained with. --raw goes on from the text
itself instead. --interactive is a conversation; without a prompt, so is a terminal, and other input
is read as a prompt a line.
"""

import sys

from absl import flags

from ftjax import cli
from ftjax.config import InputError

_MODEL = flags.DEFINE_string(
  "model", "starter", "A folder (Hugging Face or PEFT adapter), a hub id, or starter."
)
_ADAPTER = flags.DEFINE_string("adapter", None, "A PEFT adapter to put on the model.")
_DTYPE = flags.DEFINE_string("dtype", "float32", "float32 or bfloat16.")
_PROMPT = flags.DEFINE_multi_string("prompt", [], "A prompt")
_FILE = flags.DEFINE_string("prompts", None, "A text file with a prompt a line.")
_INTERACTIVE = flags.DEFINE_bool("interactive", False, "Read prompts from the terminal and answer.")
_RAW = flags.DEFINE_bool("raw", False, "Go on from the prompt's text, without the chat template.")
_LIMIT = flags.DEFINE_integer("max_new_tokens", 128, "Tokens to write at most.")
_TEMPERATURE = flags.DEFINE_float("temperature", 0.0, "0 takes the most likely token each time.")
_TOP_K = flags.DEFINE_integer("top_k", 0, "Only the k most likely tokens; 0 = off.")
_TOP_P = flags.DEFINE_float("top_p", 1.0, "Only the most likely tokens that make up this mass.")
_PENALTY = flags.DEFINE_float("repetition_penalty", 1.0, "Above 1: repeats are less likely.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the samples.")
_STOP = flags.DEFINE_multi_string("stop", [], "Ends a text before this string")


def main() -> None:
  from ftjax import conversation
  from ftjax.generate.sampling import Sampling
  from ftjax.language_model import load

  sampling = Sampling(_TEMPERATURE.value, _TOP_K.value, _TOP_P.value, _PENALTY.value)
  prompts = _PROMPT.value + (_lines(_FILE.value) if _FILE.value else [])
  model = load(_MODEL.value, adapter=_ADAPTER.value, dtype=_DTYPE.value)
  options = dict(max_new_tokens=_LIMIT.value, sampling=sampling, seed=_SEED.value, stop=_STOP.value)
  conversation.write_all(model, prompts, _RAW.value, options)
  if _INTERACTIVE.value or not prompts and sys.stdin.isatty():
    conversation.talk(model, _RAW.value, options)
  elif not prompts:
    for line in sys.stdin:
      conversation.write_all(model, [line.rstrip("\r\n")], _RAW.value, options)


def _lines(path: str) -> list[str]:
  from ftjax.data.encoding import lines_of

  try:
    return [line for line in lines_of(path) if line.strip()]
  except InputError as e:
    raise InputError(f"--prompts: {e}") from e


if __name__ == "__main__":
  cli.run(main)
