"""Writes text: python scripts/generate.py --model=runs/mine/best --prompt="The Old Mill is"

Without --prompt or --prompts it reads prompts, a line each, and streams the answers (Ctrl-D ends).
--chat puts prompts through the chat template, as a model tuned on prompts and completions wants it.
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
_PROMPT = flags.DEFINE_multi_string("prompt", [], "A text to go on from; may come several times.")
_FILE = flags.DEFINE_string("prompts", None, "A text file with a prompt a line.")
_CHAT = flags.DEFINE_bool("chat", False, "Put prompts through the chat template.")
_LIMIT = flags.DEFINE_integer("max_new_tokens", 128, "Tokens to write at most.")
_TEMPERATURE = flags.DEFINE_float("temperature", 0.0, "0 takes the most likely token each time.")
_TOP_K = flags.DEFINE_integer("top_k", 0, "Only the k most likely tokens; 0 = off.")
_TOP_P = flags.DEFINE_float("top_p", 1.0, "Only the most likely tokens that make up this mass.")
_PENALTY = flags.DEFINE_float("repetition_penalty", 1.0, "Above 1: repeats are less likely.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the samples.")
_STOP = flags.DEFINE_multi_string(
  "stop", [], "Ends a text before this string; may be given several times."
)


def main() -> None:
  from ftjax.generate.sampling import Sampling
  from ftjax.language_model import load

  sampling = Sampling(_TEMPERATURE.value, _TOP_K.value, _TOP_P.value, _PENALTY.value)
  prompts = _PROMPT.value + (_lines(_FILE.value) if _FILE.value else [])
  model = load(_MODEL.value, adapter=_ADAPTER.value, dtype=_DTYPE.value)
  options = dict(max_new_tokens=_LIMIT.value, sampling=sampling, seed=_SEED.value, stop=_STOP.value)
  render = model.render if _CHAT.value else str
  completions = model.generator.generate([render(p) for p in prompts], **options)
  for prompt, completion in zip(prompts, completions, strict=True):
    print(completion.text if _CHAT.value else prompt + completion.text)
  for prompt in () if prompts else sys.stdin:
    for piece in model.generator.stream(render(prompt.rstrip("\n")), **options):
      print(piece, end="", flush=True)
    print(flush=True)


def _lines(path: str) -> list[str]:
  from ftjax.data.encoding import lines_of

  try:
    return lines_of(path)
  except InputError as e:
    raise InputError(f"--prompts: {e}") from e


if __name__ == "__main__":
  cli.run(main)
