"""Generated texts, scored against references."""

from collections.abc import Sequence
from dataclasses import replace

from ftjax.evaluate.outputs import Asked, load_metrics
from ftjax.generate.generator import Completion, Generator, Prompt
from ftjax.generate.sampling import Sampling
from ftjax.text import thinking

TEXT_METRICS = ("bleu", "chrf", "facts", "diversity", "ending")


def generate_and_score(
  generator: Generator,
  prompts: Sequence[Prompt],
  asked: Asked,
  max_new_tokens: int | Sequence[int] = 128,
  batch_size: int = 32,
  *,
  metrics: Sequence[str] = TEXT_METRICS,
  sampling: Sampling | None = None,
  seed: int = 0,
) -> tuple[dict[str, float], list[Completion]]:
  """(what the metrics say of all completions together, the completions in the prompts' order). What a
  model thinks before it answers is not scored.

  asked: the same prompts as people wrote them, with their references. max_new_tokens: for all, or a
  number for each. Greedy unless `sampling` says otherwise. Prompts run by length, which is faster;
  neither that nor the batch size changes a result.
  """
  modules = load_metrics(metrics, "texts")
  if not len(prompts) == len(asked.prompts) == len(asked.references):
    raise ValueError(f"{len(prompts)} prompts have {len(asked.references)} lists of references")
  completions = generator.generate(
    prompts, max_new_tokens=max_new_tokens, batch_size=batch_size, sampling=sampling, seed=seed
  )
  answers = [replace(c, text=thinking.answer(c.text)) for c in completions]
  found: dict[str, float] = {}
  for module in modules:
    found |= module.result(module.update(asked, answers))
  return found, completions
