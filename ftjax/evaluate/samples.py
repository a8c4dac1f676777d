"""Generated texts: scored against references, and laid out for a person to judge."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ftjax.evaluate.outputs import Asked, load_metrics
from ftjax.generate.generator import Completion, Generator, Prompt
from ftjax.generate.sampling import Sampling

SHOWN = 4  # references of one prompt that samples.md has room for
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
  """(what the metrics say of all completions together, the completions in the prompts' order).

  asked: the same prompts as people wrote them, with their references. max_new_tokens: for all, or a
  number for each. Greedy unless `sampling` says otherwise. Prompts run by
  length, which is faster; neither that nor the batch size changes a result.
  """
  modules = load_metrics(metrics, "texts")
  if not len(prompts) == len(asked.prompts) == len(asked.references):
    raise ValueError(f"{len(prompts)} prompts have {len(asked.references)} lists of references")
  completions = generator.generate(
    prompts, max_new_tokens=max_new_tokens, batch_size=batch_size, sampling=sampling, seed=seed
  )
  found: dict[str, float] = {}
  for module in modules:
    found |= module.result(module.update(asked, completions))
  return found, completions


def samples_md(
  rows: Sequence[Mapping[str, Any]],
  scores: Mapping[str, Mapping[str, float]] | None = None,
  title: str = "Samples",
) -> str:
  """Markdown: a table a prompt, with its references, the base model's text and the tuned model's
  side by side.

  rows: {"prompt": str, "references": [str], "base": str | Completion | None, "tuned": the same}. A
  text that was cut at the limit of tokens ends in a note. scores: {"base": {"bleu": ...}, "tuned":
  ...}, a table of its own at the top.
  """
  models = [m for m in ("base", "tuned") if any(row.get(m) is not None for row in rows)]
  lines = [f"# {title}", ""]
  if scores:
    lines += [*_scores(scores), ""]
  for i, row in enumerate(rows, 1):
    lines += [f"## {i}", "", *(f"> {line}" for line in _lines(row["prompt"])), ""]
    references = row["references"]
    shown = [_cell(r) for r in references[:SHOWN]]
    shown += [f"*(and {left} more)*"] if (left := len(references) - SHOWN) > 0 else []
    columns = {"references" if len(references) > 1 else "reference": "<br><br>".join(shown)}
    columns |= {f"{m} model": _cell(row.get(m)) for m in models}
    lines += _table(list(columns), [list(columns.values())]) + [""]
  return "\n".join(lines).rstrip() + "\n"


def _scores(scores: Mapping[str, Mapping[str, float]]) -> list[str]:
  names = list(dict.fromkeys(name for some in scores.values() for name in some))
  show = lambda v: "" if v is None else f"{v:.4g}"
  return _table(
    ["", *scores], [[name, *(show(some.get(name)) for some in scores.values())] for name in names]
  )


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
  line = lambda cells: "| " + " | ".join(cells) + " |"
  return [line(header), line(["---"] * len(header)), *map(line, rows)]


def _cell(text: str | Completion | None) -> str:
  """One cell of a table: nothing in the text may end it or act as Markdown or HTML."""
  if text is None:
    return ""
  cut = isinstance(text, Completion) and not text.finished
  text = text.text if isinstance(text, Completion) else text
  shown = "<br>".join(_lines(text.strip())) or "*(empty)*"
  return shown + (" *(cut at the limit)*" if cut else "")


def _lines(text: str) -> list[str]:
  safe = html.escape(text, quote=False)
  return re.sub(r"([\\`*_|#\[\]])", r"\\\1", safe).splitlines() or [""]
