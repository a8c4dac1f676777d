"""Generated texts laid out for a person to judge: samples.md for a terminal, samples.html for a
browser."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftjax import storage
from ftjax.evaluate import table
from ftjax.evaluate.briefs import Briefs
from ftjax.evaluate.outputs import Asked
from ftjax.evaluate.prompts import asked_of
from ftjax.generate.generator import Completion
from ftjax.text.shown import shown

REFERENCES = 4  # of one prompt that there is room for
_PAGE = Path(__file__).resolve().parents[1] / "assets" / "samples.html"


@dataclass(frozen=True)
class Shown:
  """A text, and what is said of it. runs: (part, "stated" | "invented" | ""), all parts in order.
  notes: how many facts it states, which it lacks, what it makes up, whether it was cut."""

  title: str
  runs: list[tuple[str, str]]
  notes: list[tuple[str, str]]

  @property
  def text(self) -> str:
    return "".join(part for part, _ in self.runs)


@dataclass(frozen=True)
class Sample:
  """A prompt, its references, and what the models wrote."""

  number: int
  prompt: str
  references: list[Shown]
  models: list[Shown]


def write(
  folder: Path,
  prompts: Sequence[Mapping[str, Any]],
  texts: Mapping[str, Sequence[Completion]],
  scores: table.Scores,
  *,
  limit: int,
  warnings: Sequence[str] = (),
) -> list[Path]:
  """Writes samples.md and samples.html with the first `limit` prompts; their paths.

  prompts: all, as `validation_prompts` gives them. texts: "base" and "tuned", a completion for each
  prompt.
  """
  asked = asked_of(prompts)
  briefs = Briefs(asked)
  some = [_sample(i, p, texts, asked, briefs) for i, p in enumerate(prompts[:limit])]
  files = {
    "samples.md": markdown(some, scores, warnings),
    "samples.html": page(some, scores, warnings),
  }
  for name, content in files.items():
    storage.write_text(folder / name, content)
  return [folder / name for name in files]


def _sample(i: int, prompt, texts, asked: Asked, briefs: Briefs) -> Sample:
  title = "reference" if len(asked.references[i]) == 1 else "reference {}"
  return Sample(
    i + 1,
    shown(prompt["prompt"]).strip("\n"),
    [
      _shown(title.format(n), text, i, briefs)
      for n, text in enumerate(asked.references[i][:REFERENCES], 1)
    ],
    [_shown(f"{n} model", texts[n][i], i, briefs) for n in ("base", "tuned") if n in texts],
  )


def _shown(title: str, text: str | Completion, i: int, briefs: Briefs) -> Shown:
  cut = isinstance(text, Completion) and not text.finished
  text = shown(text.text if isinstance(text, Completion) else text).strip()
  notes = []
  facts = [f for f in briefs.stated(i, text) if f.field in briefs.facts]
  invented = briefs.invented(i, text)
  if facts:
    missing = [f for f in facts if f.span is None]
    notes.append(("facts", f"states {len(facts) - len(missing)} of {len(facts)} facts"))
    if missing:
      notes.append(("missing", "; ".join(f"{f.field} {f.value}" for f in missing)))
  if invented:
    notes.append(("invented", "; ".join(dict.fromkeys(f.value for f in invented))))
  if not text:
    notes.append(("cut", "empty"))
  if cut:
    notes.append(("cut", "cut at the limit of tokens"))
  spans = [(*f.span, "invented") for f in invented] + [(*f.span, "stated") for f in facts if f.span]
  return Shown(title, _runs(text, spans), [(k, shown(note)) for k, note in notes])


def _runs(text: str, spans: Sequence[tuple[int, int, str]]) -> list[tuple[str, str]]:
  """The text in parts; of spans that overlap the first in the list counts."""
  kinds = [""] * len(text)
  for start, end, kind in spans:
    if not any(kinds[start:end]):
      kinds[start:end] = [kind] * (end - start)
  out, at = [], 0
  for i in range(1, len(text) + 1):
    if i == len(text) or kinds[i] != kinds[at]:
      out.append((text[at:i], kinds[at]))
      at = i
  return out


def markdown(samples: Sequence[Sample], scores: table.Scores, warnings: Sequence[str]) -> str:
  """Headings and quoted texts, which a terminal shows as well as they are."""
  lines = ["# Samples", "", *_table(scores), *(f"Warning: {_plain(w)}\n" for w in warnings)]
  for sample in samples:
    lines += [f"## {sample.number}", "", *_quoted(sample.prompt), ""]
    for text in (*sample.references, *sample.models):
      notes = "; ".join(note if kind in ("facts", "cut") else f"{kind}: {note}" for kind, note in text.notes)  # fmt: skip
      lines += [f"**{text.title}**" + (f" ({_plain(notes)})" if notes else ""), ""]
      lines += [*_quoted(text.text), ""]
  return "\n".join(lines).rstrip() + "\n"


def page(samples: Sequence[Sample], scores: table.Scores, warnings: Sequence[str]) -> str:
  """One page that loads nothing and runs nothing: texts side by side, with their facts marked."""
  import jinja2

  environment = jinja2.Environment(
    autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
  )
  template = environment.from_string(_PAGE.read_text(encoding="utf-8"))
  kinds = {kind for s in samples for t in (*s.references, *s.models) for kind, _ in t.notes}
  return template.render(
    samples=samples, columns=table.columns(scores), rows=table.rows(scores), warnings=warnings,
    floor=table.NOTE if table.GAIN in table.columns(scores) else "", facts="facts" in kinds,
  )  # fmt: skip


def _table(scores: table.Scores) -> list[str]:
  """The scores in columns, as a block that Markdown leaves alone."""
  lines = [["", *table.columns(scores)], *([r.label, *r.cells] for r in table.rows(scores))]
  if len(lines) == 1:
    return []
  widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
  aligned = [
    line[0].ljust(widths[0])
    + "".join(f"  {x:>{w}}" for x, w in zip(line[1:], widths[1:], strict=True))
    for line in lines
  ]
  note = [table.NOTE, ""] if table.GAIN in table.columns(scores) else []
  return [f"    {line}".rstrip() for line in aligned] + ["", *note]


def _quoted(text: str) -> list[str]:
  lines = _plain(text).split("\n")
  return [f"> {line}{'  ' if line.strip() else ''}".rstrip("\n") for line in lines[:-1]] + [
    f"> {lines[-1]}"
  ]


def _plain(text: str) -> str:
  """Text in which HTML, entities, links and images of Markdown stand as they are written."""
  return re.sub(
    r"\\(?=[!-/:-@\[-`{-~])|<(?=[A-Za-z/!?])|&(?=#?\w+;)|(?<=!)\[|(?<=\])[(:\[]", r"\\\g<0>", text
  )
